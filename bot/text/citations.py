"""Finds the citations of an answer, formats the sources below it, and makes foreign text inert."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.text.invisible import single_line
from bot.text.markdown import MarkdownReader, Prose, tokenize
from bot.text.wording import truncate, utf16_length

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from bot.domain import Source

FOOTER_LIMIT = 1_200
"""Longest footer, in UTF-16 code units: it must share a message with the end of the answer."""

_LABEL_LIMIT = 80
_URL_LIMIT = 400
_MAX_LOCATIONS = 3

_MARKDOWN_CHARACTERS = re.compile(r"([\\*_~`|<>\[\]:@]|(?<=\])\()")
_INVITE = re.compile(r"(discord[a-z]{0,16})\.(?=[a-z]{2,12}/)", re.IGNORECASE)
_LINE_START = re.compile(r"\A(\d{0,9})([#+.)-])(?=\s|#|\Z)")
"""What would make a heading, a list item or subtext of a line."""


def find_cited_sources(text: str, sources: Iterable[Source]) -> list[Source]:
    """Return the sources that a text cites, each once, in order of first use; citations in code do not count."""
    by_number = {source.number: source for source in sources}
    numbers = dict.fromkeys(_find_numbers(text, by_number))
    return [by_number[number] for number in numbers]


def find_citation_numbers(text: str) -> set[int]:
    """Return every number that a citation in the text names, whether or not there is such a source."""
    return set(_find_numbers(text, None))


def find_allowed_urls(sources: Iterable[Source]) -> frozenset[str]:
    """Return the URLs that may stay live in an answer resting on these sources."""
    return frozenset(url for source in sources if (url := _get_safe_url(source)))


def find_citation_links(sources: Iterable[Source]) -> dict[int, str]:
    """Return for each source's number the URL that its citation leads to, empty if there is none."""
    return {source.number: _get_safe_url(source) or "" for source in sources}


def _find_numbers(text: str, sources: Collection[int] | None) -> Iterator[int]:
    reader = MarkdownReader()
    for block in (*reader.feed(text), *reader.flush()):
        if isinstance(block, Prose) and ("[" in block.text or "【" in block.text):
            for token in tokenize(block.text, sources=sources):
                yield from token.numbers


def format_footer(text: str, sources: Sequence[Source]) -> str:
    """Format the sources below an answer: the cited ones, or the passages read if none is cited.

    Returns:
        Discord's Markdown, one line per document; empty without sources; never longer than ``FOOTER_LIMIT``.
    """
    used = find_cited_sources(text, sources)
    shown = used or list(sources)
    if not shown:
        return ""
    heading = "-# **Sources**" if used else "-# **Passages read**"
    documents: dict[str, list[Source]] = {}
    for source in shown:
        documents.setdefault(source.document, []).append(source)
    return _fit_entries(heading, [_format_entry(passages) for passages in documents.values()])


def escape_markdown(text: str, limit: int = _LABEL_LIMIT) -> str:
    """Make foreign text inert for one line of Discord's Markdown: no mark, link, invite or mention in it works.

    Args:
        text: a title, a file name, a person's name: whatever is not ours.
        limit: the most characters that are kept, before any is escaped.
    """
    line = truncate(single_line("".join(map(_make_visible, text))), limit)
    escaped = _MARKDOWN_CHARACTERS.sub(r"\\\1", _INVITE.sub(r"\1[.]", line))
    return _LINE_START.sub(r"\1\\\2", escaped)


def format_position(source: Source) -> str:
    """Format where in its document a passage is: "Refunds › Late returns, page 3"; empty where nothing is known."""
    return ", ".join(part for part in (escape_markdown(source.section), format_page_or_line(source)) if part)


def format_page_or_line(source: Source) -> str:
    """Format a passage's page, else its line if it has no section: "page 3", "line 12", or nothing."""
    if source.page is not None:
        return f"page {escape_markdown(source.page_label) or source.page}"
    return f"line {source.line}" if source.line is not None and not source.section else ""


def format_location(label: str, source: Source) -> str:
    """Format a document's label and where in it a passage is: "Handbook › Refunds, page 3"."""
    where = format_position(source)
    separator = " › " if escape_markdown(source.section) else ", " if where else ""
    return f"{label}{separator}{where}"


def _format_entry(passages: Sequence[Source]) -> str:
    """Format one document's line: its title once, then each location with the numbers that lead there."""
    places: dict[str, str] = {}
    for source in passages:
        where = format_position(source)
        places[where] = places.get(where, "") + f"[{source.number}]"
    (_, marks), *others = places.items()
    rest = "".join(f" · {marks} {where}".rstrip() for where, marks in others[: _MAX_LOCATIONS - 1])
    hidden = len(others) - _MAX_LOCATIONS + 1
    more = f" · + {hidden} more" if hidden > 0 else ""
    return (
        f"-# {marks} {format_location(_format_title(passages[0]), passages[0])}{rest}{more}{_format_age(passages[0])}"
    )


def _format_age(source: Source) -> str:
    """Format the document's date, and whether it has changed since."""
    date = f" · {source.date:%Y-%m-%d}" if source.date else ""
    return f"{date} · changed since it was indexed" if source.is_changed else date


def _format_title(source: Source) -> str:
    """Format the title, linked to the document's URL.

    Discord shows a label that looks like a URL literally, so the link is put beside such a title.
    """
    label = escape_markdown(source.title) or escape_markdown(source.document) or "untitled"
    url = _get_safe_url(source)
    if url is None:
        return label
    if "://" in source.title or "www." in source.title.lower():
        return f"{label} <{url}>"
    return f"[{label}](<{url}>)"


def _get_safe_url(source: Source) -> str | None:
    """Return the document's own URL, if it leads to the web and works between angle brackets."""
    url = source.url
    if not url or len(url) > _URL_LIMIT or not url.isascii() or not url.isprintable() or re.search(r"[\s<>\\`]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


def _make_visible(char: str) -> str:
    """Return the character, or a visible one for it: nothing that formats, or cannot be encoded."""
    if char in "\u200c\u200d":  # they join, and part; where they do neither they go with what nobody sees
        return char
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    return " " if char.isspace() or category == "Cc" else "" if category == "Cf" else char


def _fit_entries(heading: str, entries: Sequence[str]) -> str:
    """Return as many entries as fit, and the number of those that did not."""
    lines = [heading]
    room = FOOTER_LIMIT - utf16_length(heading) - len("\n-# + 999 more")
    for shown, entry in enumerate(entries):
        room -= utf16_length(entry) + 1
        if room < 0:
            return "\n".join([*lines, f"-# + {len(entries) - shown} more"])
        lines.append(entry)
    return "\n".join(lines)
