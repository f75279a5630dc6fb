"""What every reader hands over: pages of text, cleaned of what nobody can see, under a title fit to be shown."""

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

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_LINE = re.compile(r"[^\n\r\x0b\x0c\x85\u2028\u2029]*(?P<end>\r\n?|[\n\x0b\x0c\x85\u2028\u2029]|\Z)")
_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Page:
    """What a reader of one kind of file makes of it, or of one of its pages, slides or sheets.

    ``number`` counts pages from 1; ``section`` is the path of headings that stands above the whole page.
    ``line_numbers`` says
    of each line of the text on which line of the file it stands, where the file is itself made of lines.
    """

    text: str
    title: str = ""
    url: str | None = None
    number: int | None = None
    section: str = ""
    is_markdown: bool = True
    line_numbers: Sequence[int] = ()

    def clean(self) -> Page:
        """The same page without what a reader cannot see."""
        return replace(self, text=clean_text(self.text), section=strip_heading_markup(clean_text(self.section))[:200])


def clean_text(text: str) -> str:
    """Text without what a reader cannot see, with plain line ends."""
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
    """How many characters of a text are signs for machines."""
    return len(_CONTROLS.findall(text))


def format_title(title: str) -> str:
    """A title as one line of at most 200 characters."""
    return strip_heading_markup(clean_text(title[:2_000]))[:200].strip()


def title_from_path(relative: str) -> str:
    """A file's name as a title: ``on-call_2024.md`` → "On call 2024"."""
    stem = PurePosixPath(relative).stem
    words = " ".join(re.split(r"[\s_]+|(?<=[^\W\d_])-(?=[^\W\d_])", clean_text(stem))).strip() or "Untitled"
    return words[:1].upper() + words[1:]


def first_heading(text: str, *, is_markdown: bool) -> str:
    """The heading a document begins with: of all the outermost, if it comes first or is the only one of its level."""
    paths = [section.path for section in split_sections(text, is_markdown=is_markdown) if section.path]
    return paths[0][0] if paths else ""


def parse_http_url(address: str | None) -> str | None:
    """An address that can be linked to, else None."""
    is_plain = address is not None and re.fullmatch(r"https?://[^\s<>\"'\\^`{|}]{1,500}", address)
    return address if is_plain else None


def format_code_block(code: str, language: str = "") -> str:
    """Text as a code block, with a fence longer than any row of backquotes inside it."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.strip(chr(10))}\n{fence}"


def format_row(header: Sequence[str], cells: Sequence[str]) -> str:
    """One row as "header: value" pairs; cells beyond the header stand alone, empty ones are left out."""
    names = [*header, *[""] * (len(cells) - len(header))]
    pairs = [(" ".join(name.split()), " ".join(cell.split())) for name, cell in zip(names, cells, strict=False)]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
