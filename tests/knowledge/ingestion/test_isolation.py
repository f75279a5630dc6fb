"""One guard for each source and file: whatever a reader, a fetcher, a rule or a folder does, the run goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import pytest

from bot.knowledge.ingestion import plan as planning
from bot.knowledge.ingestion import worker
from bot.knowledge.ingestion.plan import make_plan
from bot.knowledge.readers import documents
from bot.knowledge.sources.web import crawler
from bot.knowledge.sources.web.crawler import WebPages
from bot.knowledge.sources.web.fetcher import Fetcher, FetchLimits, NetworkPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from bot.knowledge.ingestion.plan import Plan
    from bot.knowledge.sources.folder import FileEntry


class _Mishap(Exception):
    """An unexpected error."""


def fail(*_: object, **__: object) -> NoReturn:
    raise _Mishap("surprise")


async def fail_async(*_: object, **__: object) -> NoReturn:
    raise _Mishap("surprise")


async def hang(*_: object, **__: object) -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def plan_for(root: Path, web: WebPages | None = None, indexed: dict[str, str] | None = None) -> Plan:
    pages = web or WebPages(root.parent / "pages")
    return make_plan(root, indexed or {}, pages, on_file_hashed=lambda _: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    made.mkdir()
    (made / "good.md").write_text("Good.")
    return made


@pytest.mark.parametrize("suffix", sorted(documents._READERS))
def test_a_reader_that_raises_anything_costs_its_own_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    (root / f"bad{suffix}").write_bytes(b"content")
    monkeypatch.setitem(documents._READERS, suffix, fail)
    assert worker._read_and_split(str(root), f"bad{suffix}") == "cannot be read (_Mishap)"


@pytest.mark.parametrize("error", [RecursionError(), ValueError("x"), KeyError(3), AssertionError(), UnicodeError()])
def test_any_error_of_a_reader_becomes_a_message(root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def raise_it(_: bytes) -> NoReturn:
        raise error

    monkeypatch.setitem(documents._READERS, ".md", raise_it)
    assert worker._read_and_split(str(root), "good.md") == f"cannot be read ({type(error).__name__})"


def test_a_folder_that_cannot_be_listed_leaves_what_is_searchable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "scan_folder", fail)
    made = plan_for(root, indexed={"good.md": "hash", "old.md": "hash"})
    assert made.failed == {"./": "the folder cannot be listed (_Mishap)"}
    assert made.removed == []


def test_a_file_that_cannot_be_hashed_costs_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "bad.md").write_text("Bad.")
    whole = planning.hash_content

    def fail_for_one(folder: Path, found: FileEntry) -> str:
        return fail() if found.relative == "bad.md" else whole(folder, found)

    monkeypatch.setattr(planning, "hash_content", fail_for_one)
    made = plan_for(root)
    assert (list(made.hashes), made.failed) == (["good.md"], {"bad.md": "cannot be read (_Mishap)"})


@pytest.mark.parametrize("name", ["decode_text", "parse_url_list"])
def test_a_list_that_cannot_be_parsed_costs_itself(root: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (root / "urls.txt").write_text("https://site.example/\n")
    monkeypatch.setattr(crawler, name, fail)
    made = plan_for(root, indexed={"urls.txt/site.example": "hash"})
    assert list(made.hashes) == ["good.md"]
    assert made.failed == {"urls.txt": "cannot be read (_Mishap)"}
    assert made.removed == []


@pytest.mark.parametrize("name", ["fetch", "_follow_redirects", "_check_robots", "_load_robots", "_send_request"])
def test_a_fetcher_that_raises_anything_costs_its_own_page(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (root / "urls.txt").write_text("https://site.example/\n")
    monkeypatch.setattr(Fetcher, name, fail_async)
    made = plan_for(root)
    assert list(made.hashes) == ["good.md"]
    assert list(made.failed) == ["urls.txt/site.example"]


@pytest.mark.parametrize("hanging", ["resolve", "request"])
def test_a_host_that_never_answers_costs_its_own_page(
    root: Path, monkeypatch: pytest.MonkeyPatch, hanging: str
) -> None:
    (root / "urls.txt").write_text("https://site.example/\n")
    if hanging == "request":
        monkeypatch.setattr(Fetcher, "_send_request", hang)
    web = WebPages(root.parent / "pages", NetworkPolicy(resolve=hang), FetchLimits(seconds=0.05, pause=0.0))
    made = plan_for(root, web)
    assert list(made.hashes) == ["good.md"]
    assert "took longer than" in made.failed["urls.txt/site.example"]


def test_a_page_called_urls_txt_is_a_document(root: Path) -> None:
    (root / "urls.txt").write_text("The addresses of our offices\n\nBerlin is at the river.\n")
    assert sorted(plan_for(root).hashes) == ["good.md", "urls.txt"]


def test_files_of_formats_that_are_not_read_are_counted(root: Path) -> None:
    (root / "drawing.psd").write_bytes(b"x")
    assert plan_for(root).passed_over == {".psd": 1}
