"""The documents' folder: which of its files are there to be read, and their bytes, whatever else stands in it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.errors import DocumentUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_LIMIT: Final = 50 * 2**20
"""Largest file, in bytes."""

_IGNORED_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "site-packages"}
)  # other people's code, and what is made of it


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that would be read: its path relative to the folder, with "/", and its size in bytes.

    What is there and cannot be read is found too, with its ``fault``: a folder with "/" at its end.
    """

    relative: str
    size: int = 0
    fault: str = ""


def list_files(root: Path, *, is_known: Callable[[str], bool]) -> list[FileEntry]:
    """The files whose names are known, sorted by path; with its fault, what has such a name and is no regular file.

    Hidden files and folders are passed over, and links to a folder inside this one: its files are found there. A link
    to a folder elsewhere is found with its fault, and not followed. Collections' rules are no documents.
    """
    top = root.resolve()
    found: list[FileEntry] = []

    def add_fault(error: OSError) -> None:
        relative = Path(error.filename).relative_to(top).as_posix()
        found.append(FileEntry(f"{relative}/", fault="the folder cannot be opened by this user"))

    for folder, folders, files in os.walk(top, onerror=add_fault):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _IGNORED_FOLDERS)
        links = (Path(folder, name) for name in folders)
        found += [_make_entry(top, link, "/") for link in links if link.is_symlink() and not _is_inside(top, link)]
        paths = [Path(folder, name) for name in files if not name.startswith(".") and is_known(name)]
        found += [_make_entry(top, path) for path in paths if not (path.parent == top and is_rules_file(path.name))]
    return sorted(found, key=lambda each: each.relative)


def _make_entry(top: Path, path: Path, suffix: str = "") -> FileEntry:
    """What stands there, with its fault if it is no regular file of this folder whose name can be written down."""
    relative = path.relative_to(top).as_posix() + suffix
    shown = relative.encode("utf-8", "replace").decode()
    try:
        status = path.stat()
    except (OSError, RuntimeError):
        return FileEntry(shown, fault="a link that leads nowhere" if path.is_symlink() else "cannot be looked at")
    if not _is_inside(top, path):
        return FileEntry(shown, fault="a link out of the documents' folder")
    if not stat.S_ISREG(status.st_mode):
        return FileEntry(shown, fault="not a regular file")
    return FileEntry(shown, status.st_size, "" if shown == relative else "its name is not UTF-8")


def _is_inside(top: Path, path: Path) -> bool:
    return not path.is_symlink() or path.resolve().is_relative_to(top)


@dataclass(frozen=True, slots=True)
class Content:
    """One file's bytes, and when they were last changed, in seconds since 1970."""

    data: bytes
    modified: float


def read_bytes(root: Path, relative: str) -> bytes:
    """One file's content.

    Raises:
        DocumentUnreadable: it is not a regular file inside the folder, is empty, too large or may not be opened.
    """
    return read_file(root, relative).data


def read_file(root: Path, relative: str) -> Content:
    """One file's content and age.

    Raises:
        DocumentUnreadable: as ``read_bytes``.
    """
    top = root.resolve()
    try:
        real = (top / relative).resolve(strict=True)
        if not real.is_relative_to(top):
            raise DocumentUnreadable("not a regular file inside the documents' folder")
        # Neither a link put in the file's place now is followed, nor does a pipe make us wait.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(real, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DocumentUnreadable("not a regular file inside the documents' folder")
            content = file.read(SIZE_LIMIT + 1)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its link leads nowhere"
        raise DocumentUnreadable(f"cannot be opened: {reason.lower()}") from error
    if len(content) > SIZE_LIMIT:
        raise DocumentUnreadable(f"larger than {SIZE_LIMIT // 2**20} MB")
    if not content:
        raise DocumentUnreadable("empty file")
    return Content(content, status.st_mtime)


def is_rules_file(document: str) -> bool:
    """Whether a file is a collection's rules, ``@NAME.toml`` directly in the documents' folder, and no document."""
    return document.startswith("@") and "/" not in document and document.lower().endswith(".toml")


def collections_in(root: Path) -> frozenset[str]:
    """The collections that have a folder of their own, with documents or without."""
    try:
        with os.scandir(root) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return frozenset()
    return frozenset(name[1:] for name in folders if name.startswith("@") and len(name) > 1)
