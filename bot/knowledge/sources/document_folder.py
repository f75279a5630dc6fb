"""Adds files and web addresses to the documents' folder, and removes them.

Names and addresses come from people in a chat. They are reduced to a safe file name before a path is made of them;
files are written atomically; and nothing outside the folder is changed.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import tempfile
import unicodedata
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Final

from yarl import URL

from bot.domain import SHARED
from bot.errors import DocumentUnreadable, StoreUnusable
from bot.knowledge.readers import clean_text, known_suffix
from bot.knowledge.readers.text import decode_text
from bot.knowledge.sources.folder import collections_in, list_known_files, read_bytes
from bot.knowledge.sources.web.addresses import (
    LIST_NAME,
    AddressRefused,
    build_page_name,
    is_public_address,
    is_url_list,
    normalize_url,
    parse_list_path,
    parse_url_list,
)
from bot.knowledge.sources.web.crawler import ADDRESSES_PER_LIST

if TYPE_CHECKING:
    from collections.abc import Generator

_log = logging.getLogger(__name__)

NAME_BYTES: Final = 150
"""Longest name of a file, in bytes of UTF-8, its ending included."""

_COLLECTION: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FORBIDDEN: Final = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')  # on Windows; elsewhere they only ask for trouble
_DEVICE_NAMES: Final = frozenset(
    {
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{kind}{number}" for kind in ("com", "lpt") for number in "0123456789¹²³"),
    }
)


class DocumentFolder:
    """Writes to one documents' folder. It blocks: call it in a thread. Create one for each folder in a process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()

    def add(self, collection: str, name: str, content: bytes) -> str:
        """Put a file that can be read into a collection's folder, and return its document's path.

        Raises:
            DocumentUnreadable: its name is of no known format or that of a folder, or no collection may be called that.
            StoreUnusable: the folder cannot be written.
        """
        name = sanitize_file_name(name)
        with self._lock, self._map_errors():
            file = self._ensure_collection_folder(collection) / name
            if file.is_dir() and not file.is_symlink():
                raise DocumentUnreadable("a folder is called that already")
            _write_atomically(file, content)
        return _format_document_path(collection, name)

    def add_page(self, collection: str, url: str) -> str:
        """Add a web page's address to a collection's list unless it is there, and return the address as it is written.

        Raises:
            DocumentUnreadable: it is no public address of a web page, its list is full, or no collection may be called
                that.
            StoreUnusable: the folder cannot be written.
        """
        address = normalize_public_url(url)
        with self._lock, self._map_errors():
            folder = self._ensure_collection_folder(collection)
            text = self._read_list(_format_document_path(collection, LIST_NAME))
            wanted = parse_url_list(text)
            if all(each.address != address for each in wanted):
                if len(wanted) >= ADDRESSES_PER_LIST:
                    raise DocumentUnreadable(f"the list holds {ADDRESSES_PER_LIST:,} addresses already")
                end = "" if not text or text.endswith("\n") else "\n"
                _write_atomically(folder / LIST_NAME, f"{text}{end}{address}\n".encode())
        return address

    def remove(self, document: str) -> bool:
        """Delete a document's file from the folder, or a page from its list; return False if there is none.

        A page is removed if a line of the list names it and nothing else; a page found below another is on no list.

        Raises:
            StoreUnusable: the folder cannot be written.
        """
        with self._lock, self._map_errors():
            source = parse_list_path(document)
            if source is not None:
                return self._remove_page(source, document)
            # Only what the folder is seen to hold is removed, so the name cannot lead anywhere else.
            if is_url_list(document) or all(
                found.relative != document or found.fault for found in list_known_files(self._root)
            ):
                return False
            (self._root / document).unlink()
            return True

    def _remove_page(self, list_path: str, document: str) -> bool:
        if all(found.relative != list_path for found in list_known_files(self._root)):
            return False
        lines = self._read_list(list_path).splitlines(keepends=True)
        kept = [line for line in lines if not _lists_only(line, list_path, document)]
        if len(kept) == len(lines):
            return False
        _write_atomically(self._root / list_path, "".join(kept).encode())
        return True

    def _read_list(self, list_path: str) -> str:
        """Return a list's content; "" if there is no list.

        Raises:
            StoreUnusable: The list exists but cannot be read; then it must not be overwritten.
        """
        file = self._root / list_path
        if not file.is_symlink() and (not file.exists() or not file.stat().st_size):
            return ""
        try:
            return decode_text(read_bytes(self._root, list_path))
        except DocumentUnreadable as error:
            raise StoreUnusable(f"The list {list_path} cannot be added to: {error.user_message}.") from error

    def _ensure_collection_folder(self, collection: str) -> Path:
        """Return a collection's folder; create it if it is missing.

        Raises:
            DocumentUnreadable: no collection may be called that.
            StoreUnusable: the documents' folder is missing, or this one is a link, whose target is not ours nor read.
        """
        if not self._root.is_dir():
            _log.error("The documents' folder %s is missing", self._root)
            raise StoreUnusable("The documents' folder (DATA_DIR) is missing.")
        if collection == SHARED:
            return self._root
        validate_collection_name(collection)
        for other in collections_in(self._root):
            if other != collection and other.casefold() == collection.casefold():
                raise DocumentUnreadable(f"there is a collection {other} already; write its name as it is")
        folder = self._root / f"@{collection}"
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise StoreUnusable(f"@{collection} is a link or a file, and not a collection's folder.")
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @contextmanager
    def _map_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            _log.error("The documents' folder %s cannot be written: %s", self._root, error.strerror)
            reason = "the disk is full" if error.errno == errno.ENOSPC else "check this user's rights"
            raise StoreUnusable(f"The documents' folder (DATA_DIR) cannot be written: {reason}.") from error


def validate_collection_name(collection: str) -> None:
    """Check that a collection may have this name; the shared documents have none.

    Raises:
        DocumentUnreadable: it may not.
    """
    if collection != SHARED and not _COLLECTION.fullmatch(collection):
        raise DocumentUnreadable(
            "no collection may be called that: its name is made of letters from A to Z, digits, - and _, 40 at most"
        )


def sanitize_file_name(name: str) -> str:
    """Return a safe file name: the last part of the given one, without invisible characters, paths or device names.

    Raises:
        DocumentUnreadable: it is of no known format, or it is that of a list of pages.
    """
    last = re.split(r"[/\\]", clean_text(name))[-1]
    plain = _FORBIDDEN.sub("_", "".join(" " if sign.isspace() else sign for sign in last if _is_visible(sign)))
    # Composed last of all: nothing above may part what belongs together, nor join what was kept apart.
    plain = unicodedata.normalize("NFC", " ".join(plain.split())).lstrip(". @~-").rstrip(". ")
    suffix = PurePosixPath(plain).suffix
    if known_suffix(plain) is None:
        raise DocumentUnreadable("of no known format")
    if plain.casefold() == LIST_NAME:
        raise DocumentUnreadable(f"{LIST_NAME} is the list of web pages: add their addresses one by one")
    stem = _truncate(plain.removesuffix(suffix), NAME_BYTES - len(suffix.encode()))
    if stem.partition(".")[0].rstrip().casefold() in _DEVICE_NAMES:
        stem = f"_{stem}"
    return stem + suffix


def _is_visible(character: str) -> bool:
    """Whether a character may be part of a name: no control, formatting, private or unassigned character."""
    return character.isspace() or not unicodedata.category(character).startswith("C")


def _truncate(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode("utf-8", "ignore").rstrip(". ")


def normalize_public_url(url: str) -> str:
    """Return a web address as it is written into a list.

    Each fetch checks whether the host is on the public internet; addresses that cannot be are refused here.

    Raises:
        DocumentUnreadable: it is no address of a page on the public internet.
    """
    address = normalize_url(url.strip())
    host = (URL(address).host or "").rstrip(".")
    is_number = ":" in host or re.fullmatch(r"[\d.]+", host) is not None
    is_named = "." in host and not host.endswith((".localhost", ".local", ".internal", ".home.arpa"))
    if not (is_public_address(host) if is_number else is_named):
        raise AddressRefused("not fetched: its host is not on the public internet")
    return address


def _lists_only(line: str, list_path: str, document: str) -> bool:
    """Whether a line of a list names this page and nothing else."""
    return any(
        not each.fault and not each.is_tree and build_page_name(list_path, each.address) == document
        for each in parse_url_list(line)
    )


def _format_document_path(collection: str, name: str) -> str:
    return f"@{collection}/{name}" if collection else name


def _write_atomically(file: Path, content: bytes) -> None:
    """Replace a file atomically: after an error or a crash, the old file is still there."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=".docent-")
    try:
        with os.fdopen(number, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        if file.is_file() and not file.is_symlink():
            Path(name).chmod(stat.S_IMODE(file.stat().st_mode))
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
