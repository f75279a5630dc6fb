"""Lists the files of the documents' folder and opens them without following links out of it.

Every folder and file is opened relative to the handle of the folder above it, and no link is followed on the way: what
is swapped for a link between two looks cannot lead outside. Windows has no such handles; there the file that was opened
is compared with the one that was meant.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from bot.domain import collection_of
from bot.errors import DocumentUnreadable
from bot.knowledge.readers import known_suffix

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_log = logging.getLogger(__name__)

SIZE_LIMIT: Final = 50 * 2**20
"""Largest file, in bytes."""
DEPTH_LIMIT: Final = 64
"""Folders inside one another that are looked into."""
PATH_LIMIT: Final = 2_000
"""Longest path of a document relative to the folder, in bytes."""

# Code of others, and what is generated from it.
_IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages"})
_HAS_HANDLES = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd and os.scandir in os.supports_fd
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# A pipe does not make us wait, and is then seen not to be a regular file.
_FILE_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_NOT_REGULAR = "not a regular file inside the documents' folder"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that would be read: its path relative to the folder, with "/", and its size in bytes.

    One that cannot be read is listed with its ``fault``; so is a folder, whose path then ends in "/".
    """

    relative: str
    size: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class FolderScan:
    """The files of known formats, sorted by path, and how many files of other formats there are, by suffix."""

    files: list[FileEntry]
    passed_over: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class Content:
    """One file's bytes, and when they were last changed, in seconds since 1970."""

    data: bytes
    modified: float


def list_known_files(root: Path) -> list[FileEntry]:
    """Return the files of known formats, as ``scan_folder`` does."""
    return scan_folder(root).files


def scan_folder(root: Path) -> FolderScan:
    """List a folder's files, with a fault for each that has a known format and cannot be read.

    Hidden files and folders are left out, and so are collections' rules. A link to a folder is not followed: its files
    are found where they are, and one that leads elsewhere is listed with its fault. A link to a file is a document
    only inside the collection that the file is in.
    """
    top = root.resolve()
    scan = FolderScan([])
    folders: list[tuple[str, ...]] = [()]
    while folders:
        parts = folders.pop()
        try:
            _scan_one(top, parts, scan, folders)
        except Exception as error:  # noqa: BLE001 - one folder must not end the scan of the others
            if not isinstance(error, PermissionError):
                _log.warning("a folder cannot be listed (%s)", type(error).__name__, exc_info=error)
            scan.files.append(_make_fault(parts, "the folder cannot be opened by this user", is_folder=True))
    scan.files.sort(key=lambda entry: entry.relative)
    return scan


def _scan_one(top: Path, parts: tuple[str, ...], scan: FolderScan, folders: list[tuple[str, ...]]) -> None:
    """List one folder, and append the folders in it to ``folders``."""
    with _open_folder(top, parts) as handle, os.scandir(handle) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            inner = (*parts, entry.name)
            is_link = entry.is_symlink()
            is_known = True
            try:
                is_known = known_suffix(entry.name) is not None
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _IGNORED_FOLDERS:
                        scan.files.extend(_check_folder(inner, folders))
                elif is_link and entry.is_dir():
                    scan.files.extend(_check_folder_link(top, inner))
                elif not is_known:
                    scan.passed_over[_format_suffix(entry.name)] += 1
                elif not is_rules_file("/".join(inner)):
                    scan.files.append(_check_file(top, inner, entry))
            except Exception as error:  # noqa: BLE001 - one entry must not end the scan of the others
                if is_known:
                    reason = "a link that leads nowhere" if is_link else f"cannot be looked at ({type(error).__name__})"
                    scan.files.append(_make_fault(inner, reason))


def _check_folder(parts: tuple[str, ...], folders: list[tuple[str, ...]]) -> Iterator[FileEntry]:
    """Append a folder to those that are looked into, or yield it with the reason why it is not."""
    if len(parts) > DEPTH_LIMIT:
        yield _make_fault(parts, f"nested more than {DEPTH_LIMIT} folders deep; not looked into", is_folder=True)
    elif len(os.fsencode("/".join(parts))) > PATH_LIMIT:
        yield _make_fault(parts, f"its path is longer than {PATH_LIMIT:,} bytes; not looked into", is_folder=True)
    else:
        folders.append(parts)


def _check_folder_link(top: Path, parts: tuple[str, ...]) -> Iterator[FileEntry]:
    """Yield a link to a folder that is not inside this one."""
    if not top.joinpath(*parts).resolve().is_relative_to(top):
        yield _make_fault(parts, "a link out of the documents' folder", is_folder=True)


def _check_file(top: Path, parts: tuple[str, ...], entry: os.DirEntry[str]) -> FileEntry:
    relative = "/".join(parts)
    if len(os.fsencode(relative)) > PATH_LIMIT:
        return _make_fault(parts, f"its path is longer than {PATH_LIMIT:,} bytes")
    status = entry.stat()
    if entry.is_symlink() and (fault := _find_link_fault(top, relative)):
        return _make_fault(parts, fault)
    if not stat.S_ISREG(status.st_mode):
        return _make_fault(parts, "not a regular file")
    shown = _format_path(parts)
    return FileEntry(shown, status.st_size, "" if shown == relative else "its name is not UTF-8")


def _find_link_fault(top: Path, relative: str) -> str:
    """Say why a link's target is not read under the link's name; "" if it is."""
    real = (top / relative).resolve(strict=True)
    if not real.is_relative_to(top):
        return "a link out of the documents' folder"
    target = real.relative_to(top).as_posix()
    if collection_of(target) != collection_of(relative):
        return "a link into another collection; the file is read where it is"
    return "a link to a collection's rules" if is_rules_file(target) else ""


def _make_fault(parts: tuple[str, ...], fault: str, *, is_folder: bool = False) -> FileEntry:
    return FileEntry(_format_path(parts) + "/" * is_folder, fault=fault)


def _format_path(parts: tuple[str, ...]) -> str:
    return "/".join(parts).encode("utf-8", "replace").decode() or "."


def _format_suffix(name: str) -> str:
    """Return a file's suffix as it is counted, such as ``.psd``; "others" without a usual one."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9_+-]{1,12}", suffix) else "others"


def read_bytes(root: Path, relative: str) -> bytes:
    """Return one file's content.

    Raises:
        DocumentUnreadable: It is not a regular file inside the folder and its own collection, is empty or too large,
            or may not be opened.
    """
    return read_file(root, relative).data


def read_file(root: Path, relative: str) -> Content:
    """Return one file's content and age.

    Raises:
        DocumentUnreadable: As ``read_bytes``.
    """
    top = root.resolve()
    try:
        real = (top / relative).resolve(strict=True)
        if not real.is_relative_to(top) or real == top:
            raise DocumentUnreadable(_NOT_REGULAR)
        if (top / relative).is_symlink() and (fault := _find_link_fault(top, relative)):
            raise DocumentUnreadable(fault)
        with _open_file(top, real.relative_to(top).parts) as number:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise DocumentUnreadable(_NOT_REGULAR)
            with os.fdopen(number, "rb", closefd=False) as file:
                content = file.read(SIZE_LIMIT + 1)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its link leads nowhere"
        raise DocumentUnreadable(f"cannot be opened: {reason.lower()}") from error
    if len(content) > SIZE_LIMIT:
        raise DocumentUnreadable(f"larger than {SIZE_LIMIT // 2**20} MB")
    if not content:
        raise DocumentUnreadable("empty file")
    return Content(content, status.st_mtime)


@contextmanager
def _open_folder(top: Path, parts: tuple[str, ...]) -> Generator[int | str]:
    """Open a folder for ``os.scandir``, following no link below ``top``.

    Raises:
        OSError: A part of the path is a link or no folder, or may not be opened.
    """
    if not _HAS_HANDLES:
        yield str(top.joinpath(*parts))
        return
    handle = os.open(top, _FOLDER_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        for name in parts:
            inner = os.open(name, _FOLDER_FLAGS, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _open_file(top: Path, parts: tuple[str, ...]) -> Generator[int]:
    """Open a file for reading, following no link below ``top``.

    Raises:
        OSError: A part of the path is a link, or may not be opened.
    """
    with _open_folder(top, parts[:-1]) as folder:
        if isinstance(folder, int):
            number = os.open(parts[-1], _FILE_FLAGS, dir_fd=folder)
        else:
            number = os.open(Path(folder, parts[-1]), _FILE_FLAGS)
    try:
        if not _HAS_HANDLES:
            real = top.joinpath(*parts).resolve(strict=True)
            if not real.is_relative_to(top) or not os.path.samestat(real.stat(), os.fstat(number)):
                raise DocumentUnreadable(_NOT_REGULAR)
        yield number
    finally:
        os.close(number)


def is_rules_file(document: str) -> bool:
    """Whether a file is a collection's rules, ``@NAME.toml`` directly in the documents' folder, and no document."""
    return document.startswith("@") and "/" not in document and document.lower().endswith(".toml")


def collections_in(root: Path) -> frozenset[str]:
    """Return the collections that have a folder of their own, with documents or without."""
    try:
        with os.scandir(root) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return frozenset()
    return frozenset(name[1:] for name in folders if name.startswith("@") and len(name) > 1)
