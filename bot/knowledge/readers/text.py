"""Decodes text of any encoding, and reads Markdown and plain text with its front matter."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, cast

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import Page, count_control_characters, first_heading, map_line_numbers, parse_http_url

if TYPE_CHECKING:
    from collections.abc import Iterator

OLE_SIGNATURE: Final = b"\xd0\xcf\x11\xe0"
BINARY_SIGNATURES: Final = (
    b"\x7fELF",
    b"PK\x03\x04",
    b"%PDF-",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    OLE_SIGNATURE,
    b"\x1f\x8b",
    b"MZ\x90",
)
"""How files begin that are no text, whatever their name says."""

_SAMPLE_LENGTH = 65_536  # characters that are looked at to tell text from anything else
_MIN_ZERO_SHARE = 0.4  # the part of every second byte that is zero where Latin text was written two bytes a letter
# What a comment or code begins with. A line that opens a block holds no other mark of its kind behind it.
_CODE_OR_COMMENT = re.compile(r"^ {0,3}(?P<fence>`{3,}(?=[^`\n]*$)|~{3,5}(?!~))|`+|<!--", re.MULTILINE)
_HEADER_LINES = (
    r"\ufeff?((?:title|date|author|slug|tags|category|status|summary)[ \t]*:[^\n]*\n"
    r"(?:[A-Za-z][\w -]{0,30}:[^\n]*\n)*)\r?\n"
)
_FRONT_MATTER_CHARS = 20_000  # characters in which front matter ends
_MIN_GUESSABLE_BYTES = 64  # bytes from which on an encoding can be guessed


def decode_text(content: bytes) -> str:
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
    if content.startswith(BINARY_SIGNATURES):
        raise DocumentUnreadable("binary content")
    try:
        text = content.decode(_detect_utf16(content))
    except UnicodeDecodeError:
        text = _decode_guessed(content)
    if count_control_characters(text[:_SAMPLE_LENGTH]) * 50 > len(text[:_SAMPLE_LENGTH]):
        raise DocumentUnreadable("binary content")
    return text


def _detect_utf16(content: bytes) -> str:
    """The encoding without a byte order mark that the zeros of a text tell: UTF-16 has one beside each Latin letter.

    Raises:
        DocumentUnreadable: there are zeros, and they stand otherwise.
    """
    head = content[:_SAMPLE_LENGTH]
    if b"\x00" not in head:
        return "utf-8"
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[first::2].count(0), head[1 - first :: 2].count(0)
        if not others and zeros > _MIN_ZERO_SHARE * len(head) / 2:
            return encoding
    raise DocumentUnreadable("binary content")


def _decode_guessed(content: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only files of an old encoding need it

    best = from_bytes(content[:262_144]).best() if len(content) >= _MIN_GUESSABLE_BYTES else None
    return content.decode(best.encoding if best is not None else "cp1252", "replace")


def read_markdown(content: bytes) -> list[Page]:
    """A Markdown file, its title from front matter or from its first heading."""
    # A mark at a line's end is looked for, and a comment may stand between the two signs that end a line.
    plain = decode_text(content).replace("\r\n", "\n").replace("\r", "\n")
    fields, text, line = parse_front_matter(plain)
    title = fields.get("title") or first_heading(text, is_markdown=True)
    shown = list(_strip_comments(text, line))
    written = "".join(piece for _, piece in shown)
    return [Page(written, title, parse_http_url(fields.get("url")), line_numbers=map_line_numbers(shown))]


def read_text(content: bytes) -> list[Page]:
    """A plain text, its title from front matter or from a first line that is underlined."""
    fields, text, line = parse_front_matter(decode_text(content))
    title = fields.get("title") or first_heading(text, is_markdown=False)
    return [
        Page(
            text,
            title,
            parse_http_url(fields.get("url")),
            is_markdown=False,
            line_numbers=map_line_numbers([(line, text)]),
        )
    ]


def parse_front_matter(text: str) -> tuple[dict[str, str], str, int]:
    """Return the simple fields at the top of a text, the text below them, and the number of the line it begins on.

    YAML between lines of ``---``, TOML between lines of ``+++``, a JSON object, or lines of ``Title: …`` as Pelican
    and MultiMarkdown have them. Names are in lower case.
    """
    for pattern, parse in (
        (r"\ufeff?---[ \t]*\r?\n(.*?\r?\n)?(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", _parse_yaml_fields),
        (r"\ufeff?\+\+\+[ \t]*\r?\n(.*?\r?\n)?\+\+\+[ \t]*(?:\r?\n|$)", _parse_toml_fields),
        (r"\ufeff?(\{[ \t]*\r?\n.*?\r?\n\})[ \t]*(?:\r?\n|$)", _parse_json_fields),
        (
            _HEADER_LINES,
            _parse_header_fields,
        ),
    ):
        match = re.match(pattern, text[:_FRONT_MATTER_CHARS], re.DOTALL | re.IGNORECASE)
        if match is not None and (fields := parse(match[1] or "")):
            return fields, text[match.end() :], 1 + match[0].count("\n")
    return {}, text, 1


def _parse_yaml_fields(block: str) -> dict[str, str]:
    block = re.sub(r":[ \t]*[|>][+-]?[ \t]*\r?\n[ \t]+", ": ", block)  # a text that begins on the next line
    found = re.findall(r"^([\w-]+):[ \t]*(.*?)[ \t]*\r?$", block, re.MULTILINE)
    return {name.lower(): _unquote(value) for name, value in found}


def _unquote(value: str) -> str:
    """Return a YAML scalar without its quotes, and without a comment behind it."""
    if (quoted := re.match(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^']|'')*)'", value)) is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted[1] is not None else quoted[2].replace("''", "'")
    return re.sub(r"\s#.*", "", value).strip("\"'")


def _parse_toml_fields(block: str) -> dict[str, str]:
    try:
        return _keep_texts(tomllib.loads(block.replace("\r\n", "\n")))
    except (ValueError, RecursionError):
        return _parse_yaml_fields(re.sub(r"^([\w-]+)[ \t]*=", r"\1:", block, flags=re.MULTILINE))


def _parse_json_fields(block: str) -> dict[str, str]:
    try:
        return _keep_texts(json.loads(block))
    except (ValueError, RecursionError):
        return {}


def _parse_header_fields(block: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z][\w -]*?)[ \t]*:[ \t]*(.*?)[ \t]*\r?$", block, re.MULTILINE)
    fields = {name.lower(): value for name, value in found}
    return fields if "title" in fields and len(fields) > 1 else {}


def _keep_texts(fields: Any) -> dict[str, str]:
    """Return the fields that are text; others are named with nothing, so that they count as front matter."""
    if not isinstance(fields, dict):
        return {}
    named = cast("dict[str, Any]", fields)
    return {str(name).lower(): value if isinstance(value, str) else "" for name, value in named.items()}


def _strip_comments(text: str, line: int) -> Iterator[tuple[int, str]]:
    """Markdown in pieces, without the HTML comments that no reader sees; those in code, and what is never closed, stay.

    Each piece comes with the number of its first line, that of the whole given.
    It goes through the text once, however it is made: no mark is looked for behind a place where it was not found.
    """
    place = start = 0
    while (event := _CODE_OR_COMMENT.search(text, start)) is not None:
        if event.group() == "<!--":
            end = text.find("-->", event.end())
            if end < 0:
                break
            yield line, text[place : event.start()]
            line += text.count("\n", place, end)
            place = start = end + len("-->")
        elif event["fence"]:
            start = _find_block_end(text, event)
        else:
            start = _find_span_end(text, event)
    yield line, text[place:]


def _find_block_end(text: str, opening: re.Match[str]) -> int:
    """The place behind a code block; one that is never closed reaches to the end."""
    mark = opening["fence"]
    closing = re.compile(rf"^ {{0,3}}{mark}{mark[0]}*[ \t]*$", re.MULTILINE).search(text, opening.end())
    return closing.end() if closing else len(text)


def _find_span_end(text: str, opening: re.Match[str]) -> int:
    """The place behind code within a line; behind its opening marks where they do not close on that line."""
    end = text.find(opening.group(), opening.end())
    is_closed = end >= 0 and text.find("\n", opening.end(), end) < 0
    return end + len(opening.group()) if is_closed else opening.end()
