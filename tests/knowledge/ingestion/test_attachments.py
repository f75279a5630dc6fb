"""Files that came with questions: read without a trace, searched with where the question points at them, cut to fit."""

from __future__ import annotations

import tempfile
import time
import zipfile
from io import BytesIO
from threading import Event
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import Attachment
from bot.errors import DocumentUnreadable
from bot.knowledge.ingestion.attachments import EXCERPT_CHARS, build_search_query, fit_files, read_attachment
from bot.knowledge.ingestion.worker import FULL_TEXT_TOKENS, Limits
from bot.knowledge.readers import SIZE_LIMIT
from bot.knowledge.splitting.splitter import TRUNCATION_NOTE, count_tokens, truncate_to_tokens

if TYPE_CHECKING:
    from pathlib import Path

LEASE = Attachment("lease.pdf", "Lease of the cellar. " + "The tenant keeps bicycles there. " * 100)


@pytest.fixture
def aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made in this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def list_leftovers(folder: Path) -> list[str]:
    """What is left there of ours; the child's own server keeps its socket in a folder of the standard library's."""
    return [path.name for path in folder.iterdir() if path.name.startswith("docent-")]


def make_zip_bomb() -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
        archive.writestr("xl/big.xml", b"0" * (200 * 2**20), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def test_attachment_is_read_as_markdown_under_its_name_and_leaves_no_file(aside: Path) -> None:
    attached = read_attachment("Notes.MD", b"# Lease\n\nThe tenant\xe2\x80\x8b keeps bicycles.\n")
    assert attached == Attachment("Notes.MD", "# Lease\n\nThe tenant keeps bicycles.\n")
    assert list_leftovers(aside) == []


def test_the_rows_of_a_table_come_with_their_names() -> None:
    assert "Item: Kettle; Price: 007" in read_attachment("prices.csv", b"Item,Price\nKettle,007\n").text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("report.exe", b"MZ", "no known format"),
        ("report", b"text", "no known format"),
        (".md", b"text", "no known format"),
        ("", b"text", "no known format"),
        ("a.md/..", b"text", "no known format"),
        ("a.md", b"", "empty file"),
        ("a.md", b"%PDF-1.7 nothing", "binary content"),
        ("a.pdf", b"plain text", "its content is not PDF"),
        ("a.txt", b"\x7fELF" + bytes(99), "binary content"),
        ("a.txt", b" \n ", "empty file"),
        ("bomb.xlsx", make_zip_bomb(), "unpacks to more than 100 MB"),
        ("large.txt", b"x" * (SIZE_LIMIT + 1), "larger than 50 MB"),
    ],
)
def test_unreadable_attachment_is_refused_with_a_message_and_leaves_no_file(
    aside: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(DocumentUnreadable, match=words):
        read_attachment(name, content)
    assert list_leftovers(aside) == []


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/evil.md", "/etc/passwd.md", "..\\..\\boot.md", "a\x00b.md", "x" * 5_000 + ".md", "\u202edm.md"],
)
def test_attachment_name_is_never_used_as_a_path(aside: Path, name: str) -> None:
    before = sorted(aside.parent.rglob("*evil*"))
    assert read_attachment(name, b"Harmless.").text == "Harmless."
    assert sorted(aside.parent.rglob("*evil*")) == before
    assert list_leftovers(aside) == []


def test_a_file_that_takes_its_reader_too_long_is_refused_and_nothing_is_left(aside: Path) -> None:
    with pytest.raises(DocumentUnreadable, match="longer than"):
        read_attachment("slow.html", b"<p>words and words</p>" * 200_000, limits=Limits(seconds=0.05))
    assert list_leftovers(aside) == []


def test_reading_an_attachment_ends_soon_at_shutdown(aside: Path) -> None:
    stopped = Event()
    stopped.set()
    began = time.monotonic()
    with pytest.raises(DocumentUnreadable, match="stopped"):
        read_attachment("slow.html", b"<p>words and words</p>" * 2_000_000, is_stopped=stopped.is_set)
    assert time.monotonic() - began < 30
    assert list_leftovers(aside) == []


def test_a_long_file_is_cut_to_what_a_model_may_read_and_says_so() -> None:
    text = read_attachment("long.txt", b"The tenant keeps bicycles in the cellar. " * 20_000).text
    assert text.endswith(TRUNCATION_NOTE)
    assert 0.9 * FULL_TEXT_TOKENS < count_tokens(text) <= FULL_TEXT_TOKENS


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(max_size=5_000) | st.text("ab \n漢", max_size=9_000), st.integers(0, 800))
def test_shorten_returns_the_whole_text_or_a_marked_beginning(text: str, tokens: int) -> None:
    short = truncate_to_tokens(text, tokens)
    if short != text:
        assert short.endswith(TRUNCATION_NOTE)
        assert text.startswith(short.removesuffix(TRUNCATION_NOTE))
        assert (
            count_tokens(short) <= max(tokens, count_tokens(TRUNCATION_NOTE)) + 2
        )  # tokens may part otherwise where pieces meet


@pytest.mark.parametrize("text", ["a" * 3_000_000, "漢字" * 500_000, " " * 3_000_000, "\n" * 1_000_000])
def test_shorten_is_fast_for_any_text(text: str) -> None:
    began = time.process_time()
    truncate_to_tokens(text, 4_000)
    assert time.process_time() - began < 5


# --- Searching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Summarise this",
        "Is this contract in line with our holiday rules and our notice period?",
        "What does the attached lease say about bicycles in our cellar?",
        "Correct?",
        "Passt das zu unserem Vertrag?",
        "Entspricht die Datei im Anhang unseren Regeln für Reisekosten und Hotels?",
        "Соответствует ли этот файл нашим правилам поездок?",
        "这符合规定吗",
    ],
)
def test_question_that_refers_to_its_file_is_searched_with_the_files_beginning(text: str) -> None:
    assert build_search_query(text, [LEASE]).startswith(f"{text}\nLease of the cellar. The tenant keeps bicycles")
    assert len(build_search_query(text, [LEASE])) <= len(text) + 1 + EXCERPT_CHARS


@pytest.mark.parametrize(
    "text",
    [
        "How many days of paid holiday do we have a year?",
        "Wie lange dauert eine Erstattung bei Reisekosten im Ausland?",
    ],
)
def test_question_that_names_its_subject_is_searched_by_itself(text: str) -> None:
    assert build_search_query(text, [LEASE]) == text


def test_search_text_without_files_is_unchanged_and_each_file_adds_a_little() -> None:
    assert build_search_query("Summarise this", []) == "Summarise this"
    assert len(build_search_query("Summarise this", [LEASE] * 8)) < EXCERPT_CHARS + 50


# --- Fitting -------------------------------------------------------------------------------------------------------


def test_files_that_fit_stay_whole_and_long_ones_share_the_remaining_room() -> None:
    short, long = Attachment("s.md", "Short."), Attachment("l.md", "word " * 2_000)
    assert fit_files([short, LEASE], 5_000) == (short, LEASE)
    kept_long, kept_short = fit_files([long, short], 500)
    assert kept_short == short
    assert 400 < count_tokens(kept_long.text) <= 500


@given(st.lists(st.text("word \n", max_size=3_000), max_size=4), st.integers(60, 900))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
def test_fitted_files_never_exceed_the_token_budget(texts: list[str], room: int) -> None:
    kept = fit_files([Attachment(str(place), text) for place, text in enumerate(texts)], room)
    assert [file.name for file in kept] == [str(place) for place in range(len(texts))]
    assert sum(count_tokens(file.text) for file in kept) <= room + len(texts) * (count_tokens(TRUNCATION_NOTE) + 2)
