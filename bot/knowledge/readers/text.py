"""Bytes of which only the name says that they are text: what they say, and where a Markdown or text file says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import Page, control_characters, first_heading, lines_of, web_address

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_MOSTLY = 0.4  # the part of every second byte that is zero where Latin text was written two bytes a letter
# What a comment or code begins with. A line that opens a block holds no other mark of its kind behind it.
_EVENT = re.compile(r"^ {0,3}(?P<fence>`{3,}(?=[^`\n]*$)|~{3,5}(?!~))|`+|<!--", re.MULTILINE)
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
    if content.startswith(BINARY):
        raise DocumentUnreadable("binary content")
    try:
        text = content.decode(_unmarked(content))
    except UnicodeDecodeError:
        text = _guessed(content)
    if control_characters(text[:_JUDGED]) * 50 > len(text[:_JUDGED]):
        raise DocumentUnreadable("binary content")
    return text


def _unmarked(content: bytes) -> str:
    """The encoding without a byte order mark that the zeros of a text tell: UTF-16 has one beside each Latin letter.

    Raises:
        DocumentUnreadable: there are zeros, and they stand otherwise.
    """
    head = content[:_JUDGED]
    if b"\x00" not in head:
        return "utf-8"
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[first::2].count(0), head[1 - first :: 2].count(0)
        if not others and zeros > _MOSTLY * len(head) / 2:
            return encoding
    raise DocumentUnreadable("binary content")


def _guessed(content: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only files of an old encoding need it

    best = from_bytes(content[:262_144]).best() if len(content) >= _ENOUGH_TO_JUDGE else None
    return content.decode(best.encoding if best is not None else "cp1252", "replace")


def read_markdown(content: bytes) -> list[Page]:
    """A Markdown file, its title from front matter or from its first heading."""
    # A mark at a line's end is looked for, and a comment may stand between the two signs that end a line.
    plain = decoded(content).replace("\r\n", "\n").replace("\r", "\n")
    fields, text, line = _front_matter(plain)
    title = fields.get("title") or first_heading(text, is_markdown=True)
    shown = list(_without_comments(text, line))
    written = "".join(piece for _, piece in shown)
    return [Page(written, title, web_address(fields.get("url")), lines=lines_of(shown))]


def read_text(content: bytes) -> list[Page]:
    """A plain text, its title from front matter or from a first line that is underlined."""
    fields, text, line = _front_matter(decoded(content))
    title = fields.get("title") or first_heading(text, is_markdown=False)
    return [Page(text, title, web_address(fields.get("url")), is_markdown=False, lines=lines_of([(line, text)]))]


def _front_matter(text: str) -> tuple[dict[str, str], str, int]:
    """The simple fields between two lines of ``---`` at the top, the text below them, and the line it begins on."""
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?\r?\n)?(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    if match is None or not (
        fields := re.findall(r"^([\w-]+):[ \t]*(.*?)[ \t]*\r?$", match.group(1) or "", re.MULTILINE)
    ):
        return {}, text, 1
    named = {name.lower(): value.strip("\"'") for name, value in fields}
    return named, text[match.end() :], 1 + match[0].count("\n")


def _without_comments(text: str, line: int) -> Iterator[tuple[int, str]]:
    """Markdown in pieces, without the HTML comments that no reader sees; those in code, and what is never closed, stay.

    Each piece comes with the number of its first line, that of the whole given.
    It goes through the text once, however it is made: no mark is looked for behind a place where it was not found.
    """
    place = start = 0
    while (event := _EVENT.search(text, start)) is not None:
        if event.group() == "<!--":
            end = text.find("-->", event.end())
            if end < 0:
                break
            yield line, text[place : event.start()]
            line += text.count("\n", place, end)
            place = start = end + len("-->")
        elif event["fence"]:
            start = _behind_block(text, event)
        else:
            start = _behind_span(text, event)
    yield line, text[place:]


def _behind_block(text: str, opening: re.Match[str]) -> int:
    """The place behind a code block; one that is never closed reaches to the end."""
    mark = opening["fence"]
    closing = re.compile(rf"^ {{0,3}}{mark}{mark[0]}*[ \t]*$", re.MULTILINE).search(text, opening.end())
    return closing.end() if closing else len(text)


def _behind_span(text: str, opening: re.Match[str]) -> int:
    """The place behind code within a line; behind its opening marks where they do not close on that line."""
    end = text.find(opening.group(), opening.end())
    is_closed = end >= 0 and text.find("\n", opening.end(), end) < 0
    return end + len(opening.group()) if is_closed else opening.end()
