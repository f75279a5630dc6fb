"""Office files are ZIP archives: this is the look inside before anything is unpacked by others."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.text import OLE

UNPACKED_LIMIT: Final = 100 * 2**20
"""What an office file may unpack to, in bytes."""
MEMBER_LIMIT: Final = 10_000

_DAMAGES = (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError, RuntimeError, zlib.error)
_PROLOG = 65_536  # bytes of a part in which a DTD would stand


def guarded(content: bytes, kind: str, part: str) -> zipfile.ZipFile:
    """The archive, if it can be unpacked without harm and holds ``part``; ``kind`` names the file in words.

    Raises:
        DocumentUnreadable: it is damaged, locked, too large inside, of another kind, or declares a DTD.
    """
    if content.startswith(OLE):
        raise DocumentUnreadable(f"password-protected, or not a {kind}")
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
            if member.filename.endswith((".xml", ".rels")) and _declares_dtd(_begun(archive, member)):
                raise DocumentUnreadable("contains a DTD")
    except _DAMAGES as error:
        raise DocumentUnreadable(f"damaged {kind}") from error
    return archive


def unpacked(archive: zipfile.ZipFile, name: str, kind: str) -> bytes:
    """One part, whole.

    Raises:
        DocumentUnreadable: the archive is damaged here.
    """
    try:
        return archive.read(name)
    except _DAMAGES as error:
        raise DocumentUnreadable(f"damaged {kind}") from error


def _begun(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as part:
        return part.read(_PROLOG)


def _declares_dtd(part: bytes) -> bool:
    plain = part.replace(b"\x00", b"")
    return b"<!DOCTYPE" in plain or b"<!ENTITY" in plain
