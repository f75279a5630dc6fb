"""What waits between reading and searching, and what becomes of it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreUnusable
from bot.knowledge.ingestion.spool import Spool, SpooledFile
from bot.knowledge.ingestion.worker import Passage

if TYPE_CHECKING:
    from pathlib import Path


def make_passage(text: str) -> Passage:
    return Passage(f"id of {text}", text, {"document": "a.md", "page": 3, "title": "Tï'tle"}, f"hash of {text}")


def test_spooled_passages_are_read_back_complete_and_in_order(tmp_path: Path) -> None:
    many = [make_passage(f"text {n} with ' and 退款") for n in range(1_200)]
    with Spool(tmp_path / "state" / "spool") as spool:
        spool.put("b.md", "2", many)
        spool.put("a.md", "1", [make_passage("one")])
    with Spool(tmp_path / "state" / "spool") as spool:
        assert spool.load_files() == {"a.md": SpooledFile("1"), "b.md": SpooledFile("2")}
        assert list(spool.load_passages(["b.md", "a.md", "absent.md"])) == [*many, make_passage("one")]


def test_a_document_that_is_read_again_replaces_itself(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool") as spool:
        spool.put("a.md", "1", [make_passage("old"), make_passage("older")])
        spool.put("a.md", "2", [make_passage("new")])
        assert list(spool.load_passages(["a.md"])) == [make_passage("new")]
        spool.put_fault("a.md", "3", "damaged")
        assert (list(spool.load_passages(["a.md"])), spool.load_files()) == ([], {"a.md": SpooledFile("3", "damaged")})


def test_spool_keeps_only_the_failures_of_existing_files_after_a_run(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool") as spool:
        spool.put("a.md", "1", [make_passage("one")])
        for name in ("bad.pdf", "changed.pdf", "gone.pdf"):
            spool.put_fault(name, "1", "damaged")
        spool.put_fault("slow.pdf", "1", "too slow", is_final=False)
        spool.clear({"a.md": "1", "bad.pdf": "1", "changed.pdf": "2", "slow.pdf": "1"})
        assert spool.load_files() == {
            "bad.pdf": SpooledFile("1", "damaged"),
            "slow.pdf": SpooledFile("1", "too slow", is_final=False),
        }


def test_spool_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool"):
        assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 40, b"SQLite format 3\x00cut"]
)
def test_damaged_spool_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool").write_bytes(content)
    with Spool(tmp_path / "spool") as spool:
        spool.put("a.md", "1", [make_passage("one")])
        assert list(spool.load_passages(["a.md"])) == [make_passage("one")]


def test_unwritable_spool_path_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="cannot be opened or written"), Spool(tmp_path / "file" / "spool"):
        pass
