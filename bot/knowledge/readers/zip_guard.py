"""Checks the ZIP archives that office files are before a library unpacks them, and finds their main part."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from typing import Any, Final
from xml.parsers.expat import ExpatError, ParserCreate

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.text import OLE_SIGNATURE

UNPACKED_LIMIT: Final = 100 * 2**20
"""What an office file may unpack to, in bytes."""
MEMBER_LIMIT: Final = 10_000

_STRICT_NAMESPACES: Final = {
    b"http://purl.oclc.org/ooxml/wordprocessingml/main": (
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    ),
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    b"http://purl.oclc.org/ooxml/presentationml/main": b"http://schemas.openxmlformats.org/presentationml/2006/main",
    b"http://purl.oclc.org/ooxml/drawingml/": b"http://schemas.openxmlformats.org/drawingml/2006/",
    b"http://purl.oclc.org/ooxml/officeDocument/": b"http://schemas.openxmlformats.org/officeDocument/2006/",
}
"""What ISO's strict form of Office files calls its namespaces, and the names that libraries know."""

_DAMAGE_ERRORS = (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError, RuntimeError, zlib.error)
_END_SIGNATURE = (
    b"PK\x05\x06"  # with it the list begins that every archive ends with, at most 65,557 bytes before its last
)
_END_SEARCH_BYTES = 65_557
_CHUNK_BYTES = 65_536  # bytes of a part that are looked at at once


def open_checked_zip(
    content: bytes, kind: str, part: str | None = None, *, may_declare_dtd: bool = False
) -> zipfile.ZipFile:
    """Return the archive if it can be unpacked without harm; ``kind`` names the format in messages.

    With ``part`` the archive must hold that part. Archives that hold backslashes in their names or the strict form of
    Office Open XML are rewritten in memory, so that libraries can read them. A DTD is refused unless
    ``may_declare_dtd``: then ``parse_xml`` must read the parts, which expands no entity.

    Raises:
        DocumentUnreadable: It is damaged, locked, too large inside, of another kind, or declares a DTD.
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
        for member in members:
            is_xml = member.filename.lower().endswith((".xml", ".rels"))
            if is_xml and not may_declare_dtd and _declares_dtd(archive, member):
                raise DocumentUnreadable("contains a DTD")
        archive = _normalize(archive)
        if part is not None and part not in archive.namelist():
            raise DocumentUnreadable(f"damaged {kind}: it holds no document")
    except _DAMAGE_ERRORS as error:
        raise DocumentUnreadable(f"damaged {kind}") from error
    return archive


def get_bytes(archive: zipfile.ZipFile) -> bytes:
    """Return an archive's bytes as ``open_checked_zip`` opened it, for a library that opens it again."""
    if archive.fp is None:
        raise ValueError("the archive is closed")
    archive.fp.seek(0)
    return archive.fp.read()


def _normalize(archive: zipfile.ZipFile) -> zipfile.ZipFile:
    """Return the archive with plain names and namespaces: itself where it has them already."""
    names = archive.namelist()
    has_backslashes = any("\\" in name or name.startswith("/") for name in names)
    is_strict = any(
        name.lower().endswith("_rels/.rels") and b"purl.oclc.org/ooxml" in archive.read(name)
        for name in names
        if "_rels" in name
    )
    if not (has_backslashes or is_strict):
        return archive
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
        for name in names:
            content = archive.read(name)
            if is_strict and name.lower().endswith((".xml", ".rels")):
                for strict, usual in _STRICT_NAMESPACES.items():
                    content = content.replace(strict, usual)
            target.writestr(name.replace("\\", "/").lstrip("/"), content)
    return zipfile.ZipFile(made)


def find_main_part(archive: zipfile.ZipFile, kind: str, usual: str) -> str:
    """Return the name of an Office file's main part by the package's relationship, else the ``usual`` one.

    Raises:
        DocumentUnreadable: There is neither.
    """
    names = {name.lower(): name for name in archive.namelist()}
    targets = [target for _, target in read_relationships(archive, "", kind, "/officeDocument")]
    for name in (*targets, usual):
        if found := names.get(name.lower()):
            return found
    raise DocumentUnreadable(f"damaged {kind}: it holds no document")


def read_relationships(archive: zipfile.ZipFile, part: str, kind: str, wanted: str = "") -> list[tuple[str, str]]:
    """Return the id and the target's name of each relationship of a part whose type ends in ``wanted``.

    ``part`` is "" for the package's own. Relationships to what is outside the archive are left out.
    """
    from lxml import etree  # noqa: PLC0415 - loaded with the first such file

    folder, _, file = part.rpartition("/")
    name = posixpath.join(folder, "_rels", f"{file}.rels")
    if name not in archive.namelist():
        return []
    try:
        tree = etree.fromstring(read_member(archive, name, kind), _create_xml_parser())
    except etree.XMLSyntaxError:
        return []
    found: list[tuple[str, str]] = []
    for each in tree:
        target, type_ = str(each.get("Target", "")).replace("\\", "/"), str(each.get("Type", ""))
        if target and each.get("TargetMode") != "External" and type_.endswith(wanted):
            resolved = (
                target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            )
            found.append((str(each.get("Id", "")), resolved))
    return found


def parse_xml(content: bytes, kind: str) -> Any:
    """Parse one part, without entities, network or a DTD's declarations.

    Raises:
        DocumentUnreadable: It is not XML.
    """
    from lxml import etree  # noqa: PLC0415 - as above

    try:
        return etree.fromstring(content, _create_xml_parser())
    except etree.XMLSyntaxError as error:
        raise DocumentUnreadable(f"damaged {kind}") from error


def is_well_formed(content: bytes) -> bool:
    """Tell whether a part is XML without errors, which ``parse_xml`` passes over."""
    from lxml import etree  # noqa: PLC0415 - as above

    try:
        etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError:
        return False
    return True


def _create_xml_parser() -> Any:
    from lxml import etree  # noqa: PLC0415 - as above

    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=True)


def read_member(archive: zipfile.ZipFile, name: str, kind: str) -> bytes:
    """Return one part as a whole.

    Raises:
        DocumentUnreadable: The archive is damaged here.
    """
    try:
        return archive.read(name)
    except _DAMAGE_ERRORS as error:
        raise DocumentUnreadable(f"damaged {kind}") from error


def reject_old_format(content: bytes, kind: str) -> None:
    """Refuse a locked file and one of an older Office, which are wrapped alike.

    Raises:
        DocumentUnreadable: It is one of them.
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
