"""The pages that readers return, and what all readers need: cleaning, titles, line numbers, rows and code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from bot.knowledge.splitting.headings import split_sections, strip_heading_markup
from bot.text.invisible import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TEXT_LIMIT: Final = 5_000_000
"""Longest text of one file, in characters."""

LEFT_OUT: Final = "left out: "
"""How the reason begins why a file is left out on purpose, because it holds nothing to answer from."""

TITLE_SEPARATOR: Final = " \u2013 "
"""What is between a page's own title and the name of its manual."""

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_LINE = re.compile(r"[^\n\r\x0b\x0c\x85\u2028\u2029]*(?P<end>\r\n?|[\n\x0b\x0c\x85\u2028\u2029]|\Z)")
_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Page:
    """A file as its reader returns it, or one of its pages, slides or sheets.

    ``number`` counts pages from 1, ``label`` is what the document itself calls the page; ``section`` is the path of
    headings above the whole page. ``line_numbers`` says for each line of the text on which line of the file it is,
    where the file is made of lines. ``note`` says what could not be read of the file.
    """

    text: str
    title: str = ""
    url: str | None = None
    number: int | None = None
    section: str = ""
    is_markdown: bool = True
    line_numbers: Sequence[int] = ()
    label: str = ""
    note: str = ""

    def with_note(self, note: str) -> Page:
        """Return the same page with a further note."""
        return replace(self, note="; ".join(filter(None, (self.note, note))))

    def clean(self) -> Page:
        """Return the same page without invisible characters."""
        return replace(self, text=clean_text(self.text), section=strip_heading_markup(clean_text(self.section))[:200])


def clean_text(text: str) -> str:
    """Return text without invisible characters, with plain line ends."""
    text = strip_invisible(_LINE_ENDS.sub("\n", text)).replace("\xa0", " ")
    return text.encode("utf-8", "replace").decode("utf-8")


def map_line_numbers(pieces: Iterable[tuple[int, str]]) -> list[int]:
    """The line of the file on which each line of a text stands, which is there in pieces.

    A piece comes with the number of the line on which it begins. Where a line of the text was several, that counts on
    which there is the first letter. What is a line's end only once the text is ``clean_text`` ends no line of the file.
    """
    lines = [1]
    has_letter = False
    for first, piece in pieces:
        number = first
        for line in _LINE.finditer(piece):
            if line[0] and not has_letter:
                lines[-1] = number
                has_letter = bool(_LETTER.search(line[0]))
            if line["end"]:
                number += line["end"][0] in "\r\n"
                lines.append(number)
                has_letter = False
    return lines


def count_control_characters(text: str) -> int:
    """Return how many control characters a text holds."""
    return len(_CONTROLS.findall(text))


def format_title(title: str) -> str:
    """Return a title as one line of at most 200 characters."""
    return strip_heading_markup(clean_text(title[:2_000]))[:200].strip()


def title_from_path(relative: str) -> str:
    """Return a file's name as a title: ``on-call_2024.md`` → "On call 2024"."""
    stem = PurePosixPath(relative).stem
    words = " ".join(re.split(r"[\s_]+|(?<=[^\W\d_])-(?=[^\W\d_])", clean_text(stem))).strip() or "Untitled"
    return words[:1].upper() + words[1:]


def first_heading(text: str, *, is_markdown: bool) -> str:
    """Return the outermost heading that a document begins with; "" if it has none."""
    paths = [section.path for section in split_sections(text, is_markdown=is_markdown) if section.path]
    return paths[0][0] if paths else ""


def parse_http_url(address: str | None) -> str | None:
    """Return an address if it can be linked to, else None."""
    is_plain = address is not None and re.fullmatch(r"https?://[^\s<>\"'\\^`{|}]{1,500}", address)
    return address if is_plain else None


def format_code_block(code: str, language: str = "") -> str:
    """Return text as a code block, with a fence longer than any run of backquotes inside it."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.strip(chr(10))}\n{fence}"


def format_failure_note(count: int, noun: str) -> str:
    """Return "2 charts could not be read", or "" for none."""
    return f"{count} {noun}{'' if count == 1 else 's'} could not be read" if count else ""


def format_row(header: Sequence[str], cells: Sequence[str]) -> str:
    """Return one row as "header: value" pairs; cells beyond the header have no name, empty ones are left out."""
    names = [*header, *[""] * (len(cells) - len(header))]
    pairs = [(" ".join(name.split()), " ".join(cell.split())) for name, cell in zip(names, cells, strict=False)]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
