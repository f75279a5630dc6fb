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

_NOT_OURS = frozenset({"node_modules", "__pycache__", "site-packages"})  # other people's code, and what is made of it


@dataclass(frozen=True, slots=True)
class Found:
    """A file that would be read: its path relative to the folder, with "/", and its size in bytes.

    A folder whose contents cannot be seen is found too, with "/" at its end and its ``fault``.
    """

    relative: str
    size: int = 0
    fault: str = ""


def walked(root: Path, *, is_known: Callable[[str], bool]) -> list[Found]:
    """The regular files whose names are known, sorted by path.

    Hidden files and folders are passed over, links that lead out of the folder or to another folder, and the rules of
    collections.
    """
    top = root.resolve()
    found: list[Found] = []

    def fault(error: OSError) -> None:
        relative = Path(error.filename).relative_to(top).as_posix()
        found.append(Found(f"{relative}/", fault="the folder cannot be opened by this user"))

    for folder, folders, files in os.walk(top, onerror=fault):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_OURS)
        for name in files:
            path = Path(folder, name)
            if path.parent == top and is_rules(name):
                continue
            if not name.startswith(".") and is_known(name) and (size := _size(top, path)) is not None:
                found.append(_found(path.relative_to(top).as_posix(), size))
    return sorted(found, key=lambda each: each.relative)


def _found(relative: str, size: int) -> Found:
    """A file whose name can be written down, or one that is at fault for its name."""
    shown = relative.encode("utf-8", "replace").decode()
    return Found(shown, size, "" if shown == relative else "its name is not UTF-8")


def _size(top: Path, path: Path) -> int | None:
    """The size of a regular file inside the folder; None for anything else."""
    try:
        real = path.resolve(strict=True) if path.is_symlink() else path
        status = real.lstat()
    except (OSError, RuntimeError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) and real.is_relative_to(top) else None


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
    return opened(root, relative).data


def opened(root: Path, relative: str) -> Content:
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


def is_rules(document: str) -> bool:
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
