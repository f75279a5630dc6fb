"""Stores fetched pages, each in one file: a line of JSON that describes the page, then its bytes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.sources.folder import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX: Final = ".page"
_FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A page as it was fetched: its final ``address``, its ``kind`` as a file's ending, and its bytes.

    ``modified`` is ISO 8601; ``etag`` and ``stamp`` are what the site wants to hear to say that nothing has changed.
    """

    address: str
    kind: str
    body: bytes
    modified: str = ""
    etag: str = ""
    stamp: str = ""

    @property
    def digest(self) -> bytes:
        """A digest of the page's address, kind and content, not of its date."""
        return hashlib.sha256(f"{self.address}\n{self.kind}\n".encode() + self.body).digest()


def load_cached_page(folder: Path, document: str) -> CachedPage:
    """Return the page stored under a document's name.

    Raises:
        DocumentUnreadable: There is none, or it has another format.
    """
    head, _, body = read_file(folder, _file_name(document)).data.partition(b"\n")
    try:
        fields = json.loads(head)
        if fields.pop("make") != _FORMAT_VERSION or fields.pop("document") != document:
            raise DocumentUnreadable("the page has not been fetched yet")
        return CachedPage(body=body, **fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocumentUnreadable("the page has not been fetched yet") from error


def save_cached_page(folder: Path, document: str, page: CachedPage) -> None:
    """Store a page atomically, in place of the one stored under its name before.

    Raises:
        OSError: It cannot be written.
    """
    fields = {name: value for name, value in asdict(page).items() if name != "body"}
    head = json.dumps({"make": _FORMAT_VERSION, "document": document, **fields}).encode()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(head + b"\n" + page.body)
        Path(name).replace(folder / _file_name(document))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def delete_other_pages(folder: Path, documents: Iterable[str]) -> None:
    """Delete the stored pages of all other documents."""
    if not folder.is_dir():
        return
    names = set(map(_file_name, documents))
    for path in folder.iterdir():
        if path.name not in names and path.is_file():
            path.unlink(missing_ok=True)


def _file_name(document: str) -> str:
    return hashlib.sha256(document.encode("utf-8", "replace")).hexdigest()[:40] + _SUFFIX
