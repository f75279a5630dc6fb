"""One text in several formats is indexed once; pages that only lead to others are left out. Both are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.admin.reindex_report import format_result
from bot.knowledge.ingestion.ingestion import Ingestion
from bot.knowledge.ingestion.near_copies import find_better_formats, is_near_copy
from bot.knowledge.stores.sqlite import NO_EMBEDDING, SqliteStore
from bot.text.wording import format_left_out

if TYPE_CHECKING:
    from pathlib import Path

    from bot.domain import IngestionReport

GUIDE = " ".join(f"Step {n} of the deployment is done by Ada, and it takes {n} minutes." for n in range(30))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    return folder


def run(root: Path) -> IngestionReport:
    store = SqliteStore(root.parent / "index.sqlite")
    try:
        return Ingestion(root, store, None, NO_EMBEDDING, spool=root.parent / "reading.sqlite").run()
    finally:
        store.close()


def searchable(root: Path) -> list[str]:
    store = SqliteStore(root.parent / "index.sqlite")
    try:
        return sorted(store.manifest())
    finally:
        store.close()


def test_better_formats_of_the_same_name_and_place() -> None:
    names = ["a/guide.pdf", "a/guide.html", "b/guide.pdf", "html/x.html", "pdf/x.pdf", "x.md", "@hr/x.md"]
    names += ["index.html", "_sources/index.rst.txt", "notes.psd", "notes.md"]
    assert find_better_formats(names) == {
        "a/guide.pdf": ["a/guide.html"],
        "html/x.html": ["x.md"],
        "pdf/x.pdf": ["x.md", "html/x.html"],
        "_sources/index.rst.txt": ["index.html"],
    }


@pytest.mark.parametrize(
    ("text", "is_copy"),
    [
        (GUIDE, True),
        (f"Printed by Ada. {GUIDE.replace('Ada', 'ADA')} Page 1", True),
        (GUIDE[:600], True),
        (GUIDE[:200] + " ".join(f"Another thing, number {n}." for n in range(60)), False),
        ("Steps.", False),
        ("", False),
    ],
)
def test_a_near_copy_is_mostly_in_the_other_text(text: str, *, is_copy: bool) -> None:
    assert is_near_copy([text], [GUIDE]) is is_copy


def test_the_best_format_of_a_text_is_indexed_and_the_others_are_reported(root: Path) -> None:
    (root / "guide.md").write_text(f"# Guide\n\n{GUIDE}")
    (root / "guide.txt").write_text(GUIDE)
    (root / "guide.html").write_text(f"<h1>Guide</h1><p>{GUIDE}</p>")
    first = run(root)
    assert searchable(root) == ["guide.md"]
    assert first.left_out == {"guide.html": "the same text as guide.md", "guide.txt": "the same text as guide.md"}
    assert "2 files left out: 2 have the same text as another file" in format_result(first, 1.0)
    again = run(root)
    assert (again.new, again.removed, again.left_out) == ([], [], first.left_out)


def test_another_text_under_the_same_name_is_indexed(root: Path) -> None:
    (root / "guide.md").write_text(f"# Guide\n\n{GUIDE}")
    (root / "guide.txt").write_text("Who reads this guide aloud gets a cake from the kitchen. " * 20)
    assert run(root).left_out == {}
    assert searchable(root) == ["guide.md", "guide.txt"]


def test_a_copy_is_indexed_once_its_original_is_gone_or_another_text(root: Path) -> None:
    (root / "guide.md").write_text(f"# Guide\n\n{GUIDE}")
    (root / "guide.txt").write_text(GUIDE)
    run(root)
    (root / "guide.md").write_text("# Guide\n\nSee the wiki.")
    assert run(root).new == ["guide.txt"]
    assert searchable(root) == ["guide.md", "guide.txt"]
    (root / "guide.md").write_text(f"# Guide\n\n{GUIDE}")
    report = run(root)
    assert (report.removed, report.left_out) == (["guide.txt"], {"guide.txt": "the same text as guide.md"})
    (root / "guide.md").unlink()
    assert run(root).new == ["guide.txt"]
    assert searchable(root) == ["guide.txt"]


def test_copies_in_different_collections_are_both_indexed(root: Path) -> None:
    (root / "@hr").mkdir()
    (root / "@hr" / "guide.md").write_text(GUIDE)
    (root / "guide.txt").write_text(GUIDE)
    assert run(root).left_out == {}


def test_a_page_that_became_an_index_is_no_longer_searchable(root: Path) -> None:
    (root / "pages.html").write_text(f"<p>{GUIDE}</p>")
    run(root)
    links = "".join(f'<li><a href="page-{n}.html">Page {n} of the guide</a></li>' for n in range(60))
    (root / "pages.html").write_text(f"<h1>Contents</h1><ul>{links}</ul>")
    report = run(root)
    assert (report.removed, list(report.left_out), report.failed) == (["pages.html"], ["pages.html"], {})
    assert format_left_out(report.left_out) == "1 file left out: 1 only leads to other pages"
    assert searchable(root) == []
    assert run(root).left_out == report.left_out
