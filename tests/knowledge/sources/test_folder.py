"""The documents' folder: what is listed, what is opened, and what no entry of it can do."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from bot.errors import DocumentUnreadable
from bot.knowledge.sources import folder
from bot.knowledge.sources.folder import DEPTH_LIMIT, list_known_files, read_bytes, scan_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINKED_ELSEWHERE = "a link into another collection; the file is read where it is"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A documents' folder with one private collection and one file that is everybody's."""
    made = tmp_path / "documents"
    (made / "@hr").mkdir(parents=True)
    (made / "@hr" / "pay.md").write_text("Salaries.")
    (made / "hours.md").write_text("Nine to five.")
    yield made
    for name in ("d", "x" * 250):
        remove_nested(made, name)


def remove_nested(root: Path, name: str) -> None:
    """Remove folders of one name inside one another, level by level: pytest's own clean-up would recurse."""
    while (root / name / name).exists():
        (root / name / name).rename(root / "next")
        shutil.rmtree(root / name)
        (root / "next").rename(root / name)
    shutil.rmtree(root / name, ignore_errors=True)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link.md", "@hr/pay.md"),
        ("sub/link.md", "../@hr/pay.md"),
        ("@open/link.md", "../@hr/pay.md"),
        ("@hr/link.md", "../hours.md"),
        ("chain.md", "hop"),
    ],
)
def test_a_link_into_another_collection_is_reported_and_not_read(root: Path, link: str, target: str) -> None:
    (root / "hop").symlink_to("@hr/pay.md")
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(target)
    assert {found.relative: found.fault for found in list_known_files(root)} == {
        "@hr/pay.md": "",
        "hours.md": "",
        link: LINKED_ELSEWHERE,
    }
    with pytest.raises(DocumentUnreadable, match="another collection"):
        read_bytes(root, link)


def test_a_link_inside_its_collection_is_a_document(root: Path) -> None:
    (root / "@hr" / "wages.md").symlink_to("pay.md")
    assert [found.relative for found in list_known_files(root)] == ["@hr/pay.md", "@hr/wages.md", "hours.md"]
    assert read_bytes(root, "@hr/wages.md") == b"Salaries."


def test_a_link_to_rules_is_not_read(root: Path) -> None:
    (root / "@hr.toml").write_text("roles = [7]")
    (root / "who.toml").symlink_to("@hr.toml")
    assert [found.fault for found in list_known_files(root)] == ["", "", "a link to a collection's rules"]
    with pytest.raises(DocumentUnreadable, match="rules"):
        read_bytes(root, "who.toml")


def test_folders_nested_too_deep_are_reported_and_the_others_listed(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(DEPTH_LIMIT + 1):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("deep.md", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    found = {entry.relative: entry.fault for entry in list_known_files(root)}
    assert {name for name, fault in found.items() if not fault} == {"@hr/pay.md", "hours.md"}
    (fault,) = filter(None, found.values())
    assert f"more than {DEPTH_LIMIT} folders deep" in fault


def test_a_path_longer_than_the_system_opens_is_reported_and_the_others_listed(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=here)
        inner = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("far.md", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    found = {entry.relative: entry.fault for entry in list_known_files(root)}
    assert {name for name, fault in found.items() if not fault} == {"@hr/pay.md", "hours.md"}
    assert [fault for fault in found.values() if fault] == ["its path is longer than 2,000 bytes; not looked into"]


def test_an_entry_that_cannot_be_looked_at_costs_only_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "good.md").write_text("Good.")

    def fail_for_one(name: str) -> str | None:
        if name == "hours.md":
            raise RuntimeError("no such luck")
        return ".md" if name.endswith(".md") else None

    monkeypatch.setattr(folder, "known_suffix", fail_for_one)
    assert {entry.relative: entry.fault for entry in list_known_files(root)} == {
        "@hr/pay.md": "",
        "good.md": "",
        "hours.md": "cannot be looked at (RuntimeError)",
    }


def test_files_of_other_formats_are_counted_by_suffix(root: Path) -> None:
    for name in ("a.psd", "b.PSD", "@hr/c.dwg", "LICENSE", "odd.\u202etxt\u202e.<x>"):
        (root / name).write_text("x")
    assert scan_folder(root).passed_over == {".psd": 2, ".dwg": 1, "others": 2}


def read_inner_file(root: Path) -> bytes:
    return read_bytes(root, "sub/a.md")


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no handles there")
@pytest.mark.parametrize("read", [read_inner_file, list_known_files])
def test_a_folder_swapped_for_a_link_never_leads_outside(
    tmp_path: Path, root: Path, read: Callable[[Path], object]
) -> None:
    """Another thread swaps the folder back and forth while it is read: what is outside is never seen."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.md").write_text("secret")
    (outside / "only-outside.md").write_text("secret")
    (root / "sub").mkdir()
    (root / "sub" / "a.md").write_text("public")
    (root / ".link").symlink_to(outside)
    is_done = threading.Event()

    def swap() -> None:
        while not is_done.is_set():
            (root / "sub").rename(root / ".aside")
            (root / ".link").rename(root / "sub")
            (root / "sub").rename(root / ".link")
            (root / ".aside").rename(root / "sub")

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[str] = set()
    try:
        for _ in range(1_500):
            with suppress(DocumentUnreadable):
                seen.add(str(read(root)))
    finally:
        is_done.set()
        swapping.join()
    assert not [each for each in seen if "secret" in each or "only-outside" in each]
