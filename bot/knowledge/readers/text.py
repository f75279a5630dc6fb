"""Bytes of which only the name says that they are text: what they say, and where a Markdown or text file says it."""

from __future__ import annotations

import re
from typing import Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.pages import Page, control_characters, first_heading, web_address

OLE: Final = b"\xd0\xcf\x11\xe0"
BINARY: Final = (
    b"\x7fELF",
    b"PK\x03\x04",
    b"%PDF-",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    OLE,
    b"\x1f\x8b",
    b"MZ\x90",
)
"""How files begin that are no text, whatever their name says."""

_JUDGED = 65_536  # characters that are looked at to tell text from anything else
_ENOUGH_TO_JUDGE = 64  # bytes from which on an encoding can be guessed


def decoded(content: bytes) -> str:
    """Bytes as text: by byte order mark, else UTF-8, else by likelihood where there is enough to judge, else cp1252.

    Raises:
        DocumentUnreadable: this is no text.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise DocumentUnreadable("binary content") from error
    if content.startswith(BINARY) or b"\x00" in content[:_JUDGED]:
        raise DocumentUnreadable("binary content")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = _guessed(content)
    if control_characters(text[:_JUDGED]) * 50 > len(text[:_JUDGED]):
        raise DocumentUnreadable("binary content")
    return text


def _guessed(content: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only files of an old encoding need it

    best = from_bytes(content[:262_144]).best() if len(content) >= _ENOUGH_TO_JUDGE else None
    return content.decode(best.encoding if best is not None else "cp1252", "replace")


def read_markdown(content: bytes) -> list[Page]:
    """A Markdown file, its title from front matter or from its first heading."""
    fields, text = _front_matter(decoded(content))
    title = fields.get("title") or first_heading(text, is_markdown=True)
    return [Page(_without_comments(text), title, web_address(fields.get("url")))]


def read_text(content: bytes) -> list[Page]:
    """A plain text, its title from front matter or from a first line that is underlined."""
    fields, text = _front_matter(decoded(content))
    title = fields.get("title") or first_heading(text, is_markdown=False)
    return [Page(text, title, web_address(fields.get("url")), is_markdown=False)]


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """The simple fields between two lines of ``---`` at the top, and the text below them."""
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?\r?\n)?(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    if match is None or not (
        fields := re.findall(r"^([\w-]+):[ \t]*(.*?)[ \t]*\r?$", match.group(1) or "", re.MULTILINE)
    ):
        return {}, text
    return {name.lower(): value.strip("\"'") for name, value in fields}, text[match.end() :]


def _without_comments(text: str) -> str:
    """Markdown without the HTML comments that no reader sees; those inside code stay."""
    pieces = re.split(r"(^(?:```|~~~).*?^(?:```|~~~)[ \t]*$|`[^`\n]+`)", text, flags=re.DOTALL | re.MULTILINE)
    pieces[::2] = [re.sub(r"<!--.*?-->", "", piece, flags=re.DOTALL) for piece in pieces[::2]]
    return "".join(pieces)
