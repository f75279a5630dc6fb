"""Office files are ZIP archives: this is the look inside before anything is unpacked by others."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final
from xml.parsers.expat import ExpatError, ParserCreate

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.text import OLE_SIGNATURE

UNPACKED_LIMIT: Final = 100 * 2**20
"""What an office file may unpack to, in bytes."""
MEMBER_LIMIT: Final = 10_000

_DAMAGE_ERRORS = (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError, RuntimeError, zlib.error)
_END_SIGNATURE = (
    b"PK\x05\x06"  # with it the list begins that every archive ends with, at most 65,557 bytes before its last
)
_END_SEARCH_BYTES = 65_557
_CHUNK_BYTES = 65_536  # bytes of a part that are looked at at once


def open_checked_zip(content: bytes, kind: str, part: str) -> zipfile.ZipFile:
    """The archive, if it can be unpacked without harm and holds ``part``; ``kind`` names the file in words.

    Raises:
        DocumentUnreadable: it is damaged, locked, too large inside, of another kind, or declares a DTD.
    """
    reject_old_format(content, kind)
    if not content.startswith(b"PK"):
        raise DocumentUnreadable(f"its content is not {kind}")
    if _END_SIGNATURE not in content[-_END_SEARCH_BYTES:]:
        raise DocumentUnreadable(f"damaged {kind}: its end is missing")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = archive.infolist()
        if len(members) > MEMBER_LIMIT:
            raise DocumentUnreadable(f"more than {MEMBER_LIMIT:,} files inside")
        if sum(member.file_size for member in members) > UNPACKED_LIMIT:
            raise DocumentUnreadable(f"unpacks to more than {UNPACKED_LIMIT // 2**20} MB")
        if any(member.flag_bits & 1 for member in members):
            raise DocumentUnreadable("password-protected")
        if part not in archive.namelist():
            raise DocumentUnreadable(f"damaged {kind}: it holds no document")
        for member in members:
            if member.filename.endswith((".xml", ".rels")) and _declares_dtd(archive, member):
                raise DocumentUnreadable("contains a DTD")
    except _DAMAGE_ERRORS as error:
        raise DocumentUnreadable(f"damaged {kind}") from error
    return archive


def read_member(archive: zipfile.ZipFile, name: str, kind: str) -> bytes:
    """One part, whole.

    Raises:
        DocumentUnreadable: the archive is damaged here.
    """
    try:
        return archive.read(name)
    except _DAMAGE_ERRORS as error:
        raise DocumentUnreadable(f"damaged {kind}") from error


def reject_old_format(content: bytes, kind: str) -> None:
    """Tell apart the two things that come in the wrapper of older Office files: a locked file, and an older one.

    Raises:
        DocumentUnreadable: it is one of them.
    """
    if content.startswith(OLE_SIGNATURE):
        is_locked = "EncryptedPackage".encode("utf-16-le") in content
        raise DocumentUnreadable("password-protected" if is_locked else f"an older Office file: save it as {kind}")


class _DtdCheckDone(Exception):
    """Whether a part declares a DTD."""

    def __init__(self, *, is_declared: bool) -> None:
        super().__init__()
        self.is_declared = is_declared


def _declares_dtd(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether there is a DTD before a part's first element, where alone one can stand, however far down that is."""

    def on_doctype(*_: object) -> None:
        raise _DtdCheckDone(is_declared=True)

    def on_element(*_: object) -> None:
        raise _DtdCheckDone(is_declared=False)

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = on_doctype, on_element
    with archive.open(member) as part:
        try:
            while piece := part.read(_CHUNK_BYTES):
                parser.Parse(piece)
        except _DtdCheckDone as told:
            return told.is_declared
        except ExpatError:
            return b"<!DOCTYPE" in archive.read(member).replace(b"\x00", b"")  # another parser may be less strict
    return False
