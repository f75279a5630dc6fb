"""Reads e-books: the chapters of an EPUB in their reading order, as Markdown."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.html import parse_html
from bot.knowledge.readers.page import TEXT_LIMIT, Page, format_failure_note
from bot.knowledge.readers.text import decode_text
from bot.knowledge.readers.zip_guard import open_checked_zip, parse_xml, read_member

_KIND = "EPUB"
_CONTAINER = "META-INF/container.xml"


def read_epub(content: bytes) -> list[Page]:
    """Read a book, one page a chapter; a chapter that cannot be read costs no other.

    Raises:
        DocumentUnreadable: It is damaged, locked, too large inside, or holds no chapter that can be read.
    """
    archive = open_checked_zip(content, _KIND, _CONTAINER, may_declare_dtd=True)
    if "META-INF/encryption.xml" in archive.namelist() and b"EncryptedKey" in read_member(
        archive, "META-INF/encryption.xml", _KIND
    ):
        raise DocumentUnreadable("password-protected")
    roots = _find_all(parse_xml(read_member(archive, _CONTAINER, _KIND), _KIND), "rootfile")
    package = unquote(str(roots[0].get("full-path", ""))) if roots else ""
    if package not in archive.namelist():
        raise DocumentUnreadable(f"damaged {_KIND}: it holds no document")
    tree = parse_xml(read_member(archive, package, _KIND), _KIND)
    titles = _find_all(tree, "title")
    title = " ".join("".join(titles[0].itertext()).split()) if titles else ""
    chapters, broken = [], 0
    for name in _list_chapters(tree, posixpath.dirname(package)):
        try:
            chapters.append(parse_html(decode_text(read_member(archive, name, _KIND))))
        except (DocumentUnreadable, KeyError):
            broken += 1
    if not chapters:
        raise DocumentUnreadable(f"damaged {_KIND}" if broken else "empty file")
    if sum(len(chapter.text) for chapter in chapters) > TEXT_LIMIT:
        raise DocumentUnreadable(f"more than {TEXT_LIMIT:,} characters of text")
    pages = [Page(chapter.text, title or chapter.title, section=_name_section(chapter, title)) for chapter in chapters]
    return [pages[0].with_note(format_failure_note(broken, "chapter")), *pages[1:]]


def _name_section(chapter: Page, title: str) -> str:
    """Return a chapter's title where its text does not begin with it as a heading."""
    return "" if chapter.title == title or chapter.text.lstrip().startswith("#") else chapter.title


def _list_chapters(package: Any, folder: str) -> list[str]:
    """Return the names of the parts in the book's reading order, those of its navigation left out."""
    items = {
        str(item.get("id")): item
        for item in _find_all(package, "item")
        if "html" in str(item.get("media-type", "")) and "nav" not in str(item.get("properties", "")).split()
    }
    order = [str(each.get("idref")) for each in _find_all(package, "itemref")]
    names = [str(items[each].get("href", "")) for each in order if each in items]
    return [posixpath.normpath(posixpath.join(folder, unquote(name))) for name in dict.fromkeys(names) if name]


def _find_all(tree: Any, name: str) -> list[Any]:
    """Return the elements of this local name, whatever their namespace."""
    return list(tree.iter(f"{{*}}{name}"))
