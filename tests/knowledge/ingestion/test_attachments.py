"""Files that came with questions: read in a child process, and nothing kept of them."""

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
from bot.knowledge.ingestion.attachments import read_attachment
from bot.knowledge.ingestion.worker import FULL_TEXT_TOKENS, Limits
from bot.knowledge.sources.folder import SIZE_LIMIT
from bot.knowledge.splitting.splitter import TRUNCATION_NOTE, count_tokens, truncate_to_tokens

if TYPE_CHECKING:
    from pathlib import Path


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
    with pytest.raises(DocumentUnreadable, match="stopped"):
        read_attachment("slow.html", b"<p>words and words</p>" * 190_000, is_stopped=stopped.is_set)
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
