"""Converts the model's growing Markdown into Discord's: exact, safe, and readable in every state.

Tables become aligned blocks, or lists; headings, rules, fences, formulas, admonitions and HTML that Discord would show
bare get a form it knows; links that are not a source's are inert. What was returned never changes, and code is exact.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

from bot.streaming.markdown.inline import LabelState, Links, write_inline
from bot.streaming.markdown.tables import Table, parse_table_header
from bot.text.invisible import INVISIBLE_RANGES
from bot.text.markdown import (
    FENCE,
    KNOWN_TAGS,
    Block,
    CodeEnd,
    CodeStart,
    CodeText,
    Kind,
    MarkdownReader,
    Prose,
    is_formula,
    pair_marks,
    tokenize,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

HORIZONTAL_RULE = "─" * 12
"""What is shown for a horizontal rule."""

DEFAULT_PAGE_LENGTH = 2_000
MAX_LINK_LENGTH = 512
"""Longest address that is kept live, in characters: a page can always be broken before it."""

_MAX_HEADING_LENGTH = 80
"""Longest line, in characters, that the next line may underline and so make a heading."""

_BLANK = re.compile(rf"[\s{INVISIBLE_RANGES}]*\Z")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+\-.#]{1,32}(?=\s|\Z)")
_RULE = re.compile(r"[ ]{0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
_UNDERLINE = re.compile(r"[ ]{0,3}(?P<sign>=|-)(?P=sign)+[ \t]*")
_DELIMITER_LINE = re.compile(r"[|:\- \t]*\Z")
_SENTENCE_END = re.compile(r"[.:;,!?…]\s*\Z")
_ITEM = re.compile(
    r"(?P<bullet>[-*+])(?P<gap>[ \t]*)|(?P<number>\d{1,9})[.)](?P<blank>[ \t]*)|\[(?P<task>[ xX])\][ \t]*"
)
_HEADING = re.compile(r"(#{1,6}|-#)[ \t]*\Z")
_CLOSING_HASHES = re.compile(r"[ \t]+#+[ \t]*\Z")
_FORMULA = re.compile(r"(?:\\\[(?P<square>.*?)\\\]|\$\$(?P<dollars>.*?)\$\$)[ \t]*(?P<stop>[.,;]?)[ \t]*", re.DOTALL)
_ALERT = re.compile(r"\[!(?P<kind>[A-Za-z]{2,20})\][+\-]?[ \t]*(?P<title>[^\n]*)(?P<rest>.*)", re.DOTALL)
_COLONS = re.compile(r":{3,}[ \t]*(?:\{?(?P<kind>[A-Za-z]{2,20})\}?[ \t]*(?P<title>[^\n]*))?")
_MKDOCS = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]+(?P<kind>[A-Za-z]{2,20})(?:[ \t]+\"(?P<title>[^\"\n]*)\")?[ \t]*")
_HARD_BREAK = re.compile(r"(?:[ \t]+|(?<!\\)\\)\Z")
_ONE_TAG = re.compile(r"[ \t]*<hr[ \t]*/?>[ \t]*", re.IGNORECASE)

_REACH = 80
_REACHING = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.\-{INVISIBLE_RANGES}]{{1,40}}:[{INVISIBLE_RANGES}]{{0,8}}[/\\]"
    rf"|discord(?:[a-z]|[{INVISIBLE_RANGES}]){{0,16}}\\?\.(?:[a-z]|[{INVISIBLE_RANGES}]){{2,12}}\\?/|\]\\?\(",
    re.IGNORECASE,
)
"""What must not arise where a very long line was cut: a scheme, an invite, a link's middle."""

_ARRIVING_TAG = re.compile(
    r"<(?:/?(?P<name>[A-Za-z][A-Za-z0-9]{0,15})?(?:[ \t/][^<>\n]{0,600})?|!-{0,2}(?:(?<=--)(?!.*-->).*)?)\Z", re.DOTALL
)
_ARRIVING_LINK = re.compile(r"(?P<image>!?)\[(?P<label>[^\[\]\n]*)(?:\](?:\([^()\s]{0,600}(?:\([^()\s]*)?)?)?\Z")
_ARRIVING_BADGE = re.compile(
    r"\[!\[(?P<label>[^\[\]\n]*)(?:\](?:\([^()\s]{0,600}(?:\)(?:\](?:\([^()\s]{0,600})?)?)?)?)?\Z"
)
_ARRIVING_ANCHOR = re.compile(r"<a[ \t][^<>\n]*>(?P<label>[^<>\n]*)(?:</?a?)?\Z", re.IGNORECASE)
_ARRIVING_ENTITY = re.compile(r"&#?[A-Za-z0-9]{0,10}\Z")
_ARRIVING_SIGNS = re.compile(r"(?:`+|\*+|_+|~+|\|+|\\)\Z")
_ARRIVING_FENCE = re.compile(r"[ \t>]*(?:`+|~+)[ \t]*")
_ARRIVING_URL = re.compile(r"[A-Za-z]{1,6}(?::/{0,2}\S{0,600})?\Z")
_ARRIVING_PREFIX = re.compile(
    r"[ \t>]*(?:#{1,6}|-#?|[*+]|\d{1,9}[.)]?|[=:]{1,3}|-{2,3}|!{1,3}|`{1,2}|`{3,}\S*|~{1,2}|~{3,}\S*)?"
    r"[ \t]*(?:\[[ xX]?)?\Z"
)


class _BlockWriter:
    """Writes blocks in Discord's Markdown; copies of it look ahead."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._label_state = LabelState()
        self._held: Prose | None = None  # a line that the next one may make a heading, or a table's header
        self._table: Table | None = None
        self._table_depth = 0
        self._quote_gap = 0
        self._is_paragraph_start = True
        self._may_be_in_list = False  # in the reading in which a list goes on to a blank line
        self._is_after_blank = True
        self._list_indent = 0
        self._is_list_empty = False
        self._open_colons = 0
        self._code: CodeStart | None = None
        self.has_code = False
        self._is_code_line_start = True
        self._backticks = 0
        self._last_code_sign = ""
        self._line_end = ""  # of the last part in the model's Markdown

    def copy(self) -> _BlockWriter:
        """Return another writer in the same state."""
        other = copy.copy(self)
        other._label_state = self._label_state.copy()  # noqa: SLF001 - another one of ours
        return other

    def write(self, block: Block) -> str:
        """Return what is shown for a block, as far as that is decided."""
        match block:
            case Prose():
                return self._write_prose(block)
            case CodeStart():
                return self._release() + self._start_code(block)
            case CodeText():
                return self._write_code(block)
            case CodeEnd():
                return self._end_code(block)

    def finish(self) -> str:
        """Return what is still held."""
        return self._release()

    # Prose.

    def _write_prose(self, prose: Prose) -> str:
        line = prose.prefix + prose.text
        held = self._held
        if self._table is not None:
            if prose.starts_line and "|" in line and prose.depth == self._table_depth and not prose.prefix.strip():
                rows, self._table = self._table.with_row(line)
                return self._write_table(rows, is_list=bool(self._table.is_list))
            return self._release() + self._write_prose(prose)
        if held is not None:
            self._held = None
            if held.depth == prose.depth and (shown := self._write_underlined(held, line)) is not None:
                return shown
            return self._write_part(held) + self._write_prose(prose)
        if prose.starts_line and prose.ends_line and self._may_be_underlined(prose, line):
            self._held = prose
            return ""
        return self._write_part(prose)

    def _may_be_underlined(self, prose: Prose, line: str) -> bool:
        if not line.strip() or "\n" in line:
            return False
        return "|" in line or (
            self._is_paragraph_start and not prose.prefix.strip() and len(line) <= _MAX_HEADING_LENGTH
        )

    def _write_underlined(self, held: Prose, line: str) -> str | None:
        above = held.prefix + held.text
        table = parse_table_header(above, line, self._write_cell) if "\n" not in line else None
        if table is not None:
            self._table, self._table_depth = table, held.depth
            return self._write_gap(held.depth) + self._end_list(held.depth)
        underline = _UNDERLINE.fullmatch(line)
        is_heading = self._is_paragraph_start and not held.prefix.strip() and len(above) <= _MAX_HEADING_LENGTH
        if (
            underline is None
            or not is_heading
            or "|" in above
            or (underline["sign"] == "-" and _SENTENCE_END.search(above))
        ):
            return None
        sign = "#" if underline["sign"] == "=" else "##"
        return self._write_line(held, f"{sign} ", held.text.strip()) + "\n"

    def _write_table(self, text: str, *, is_list: bool) -> str:
        """Return a table's lines behind the marks of the quote that they are in."""
        if is_list:
            self._label_state.read(text)
        else:
            text = self._label_state.secure_code(text)
        return _quote_lines(text, self._table_depth)

    def _write_cell(self, cell: str) -> str:
        """Return a cell of a table that is shown as a list."""
        return write_inline(cell, self._links, LabelState(), line_prefix="/ ").replace("\n", " ")

    def _release(self) -> str:
        shown = ""
        if self._table is not None:
            text = self._table.finish()
            shown = self._write_table(text, is_list=not text.startswith(FENCE))
            self._table = None
            self._is_paragraph_start = True
        if self._held is not None:
            held, self._held = self._held, None
            shown += self._write_part(held)
        return shown

    def _write_part(self, prose: Prose) -> str:
        """Write a paragraph part by itself."""
        end = "\n" if prose.ends_line else ""
        line = prose.prefix + prose.text
        if not prose.starts_line:
            text = _HARD_BREAK.sub("", prose.text) if prose.ends_line else prose.text
            gap, self._line_end = self._part_gap(text), text[-_REACH:]
            return gap + self._write_inline(prose, text) + end
        self._line_end = line[-_REACH:]
        if _BLANK.match(line):
            self._is_paragraph_start = True
            if prose.depth:
                self._quote_gap += 1
                return ""
            self._quote_gap = 0
            self._is_after_blank = True
            return end
        shown = self._write_block(prose, line)
        if shown is None:
            self._is_paragraph_start = False
            text = _HARD_BREAK.sub("", prose.text) if prose.ends_line else prose.text
            shown = self._write_line(prose, self._write_prefix(prose.prefix, text), text)
        else:
            self._is_paragraph_start = True
        return shown + end if shown else ""

    def _part_gap(self, text: str) -> str:
        """Return a space where an address reaches over the place at which a very long line was cut."""
        window, place = self._line_end + text[:_REACH], len(self._line_end)
        return " " if any(found.start() < place < found.end() for found in _REACHING.finditer(window)) else ""

    def _write_block(self, prose: Prose, line: str) -> str | None:
        """Write a line that is a block by itself, else return None; nothing for a line that is not shown."""
        if _RULE.fullmatch(line) or _ONE_TAG.fullmatch(line):
            return self._write_gap(prose.depth) + _quote_prefix(prose.depth) + HORIZONTAL_RULE
        if (heading := _HEADING.search(prose.prefix)) and len(heading[1]) > len("###"):
            title = _CLOSING_HASHES.sub("", prose.text)
            shown = write_inline(title, self._links, self._label_state, is_bold=True).strip()
            bold = f"**{shown}**" if shown and "**" not in shown and not shown.endswith("\\") else shown
            return self._write_gap(prose.depth) + _quote_prefix(prose.depth) + (bold or "\\" + heading[1])
        if not prose.prefix.strip() and (formula := _FORMULA.fullmatch(prose.text)):
            return self._write_formula(prose, formula)
        if prose.depth and not prose.prefix.strip() and (alert := _ALERT.fullmatch(prose.text)):
            rest = alert["rest"].lstrip("\n")
            shown = self._write_admonition(prose, alert["kind"], alert["title"])
            return f"{shown}\n{self._write_line(prose, '', rest)}" if rest else shown
        if not prose.depth and not prose.prefix.strip() and "\n" not in line:
            return self._write_directive(prose)
        return None

    def _write_directive(self, prose: Prose) -> str | None:
        """Write ``:::note`` and ``!!! note``."""
        if colons := _COLONS.fullmatch(prose.text):
            if colons["kind"]:
                self._open_colons += 1
                return self._write_admonition(prose, colons["kind"], colons["title"])
            if self._open_colons:
                self._open_colons -= 1
                return ""
        elif block := _MKDOCS.fullmatch(prose.text):
            return self._write_admonition(prose, block["kind"], block["title"] or "")
        return None

    def _write_admonition(self, prose: Prose, kind: str, title: str) -> str:
        bold = f"**{kind.capitalize()}**"
        return self._write_line(prose, f"{bold}: " if title.strip() else bold, title.strip())

    def _write_formula(self, prose: Prose, formula: re.Match[str]) -> str | None:
        body = formula["square"] if formula["square"] is not None else formula["dollars"]
        if FENCE in body or not body.strip() or not is_formula(body) or prose.depth:
            return None
        body = self._label_state.secure_code(f"{body.strip()}{formula['stop']}")
        return f"{self._end_list(0)}{FENCE}tex\n{body}\n{FENCE}"

    def _write_gap(self, depth: int) -> str:
        """Return the blank lines of a quote that goes on, and none of one that has ended."""
        gap, self._quote_gap = self._quote_gap, 0
        return f"{_quote_prefix(1)}\n" * gap if depth else ""

    def _write_line(self, prose: Prose, prefix: str, text: str) -> str:
        quote = _quote_prefix(prose.depth)
        gap = self._write_gap(prose.depth)
        shown = write_inline(text, self._links, self._label_state, line_prefix=quote)
        if _BLANK.match(shown):
            if not prefix.strip():
                return ""
            prefix = re.sub(r"(#{1,3})\s*\Z", r"\\\1", prefix).rstrip()
            return gap + quote + prefix
        if not prefix and (escaped := _UNINTENDED_BLOCK.match(shown)):
            shown = f"{escaped[0]}\\{shown[escaped.end() :]}"
        return gap + quote + prefix + shown

    def _write_inline(self, prose: Prose, text: str) -> str:
        return write_inline(text, self._links, self._label_state, line_prefix=_quote_prefix(prose.depth))

    def _write_prefix(self, prefix: str, text: str) -> str:
        """Return list and heading marks as Discord knows them: it has neither ``+`` nor ``1)`` nor boxes."""
        stripped = prefix.lstrip(" \t")
        indent = " " * len(prefix[: len(prefix) - len(stripped)].expandtabs(4))
        is_item = _ITEM.match(stripped) is not None
        if is_item and (not self._may_be_in_list or self._is_list_empty):
            self._is_list_empty = not text.strip()  # in one reading an item without text begins no list
            self._list_indent = len(indent)  # the library that the client descends from misreads a list's own indent
        if is_item or (self._is_after_blank and not indent):
            self._may_be_in_list = is_item
        if is_item:
            indent = indent[self._list_indent :]
        self._is_after_blank = False
        if not stripped:
            return indent
        pieces: list[str] = []
        place = 0
        while item := _ITEM.match(stripped, place):
            if item["bullet"] == "+" and (place + len(item[0]) == len(stripped) and text[:1].isdigit()):
                pieces.append(f"\\+{item['gap']}")
            elif item["bullet"] == "-" and stripped[place : place + 2] == "-#":
                break
            elif item["bullet"]:
                pieces.append(f"{item['bullet'].replace('+', '-')} ")
            elif item["number"]:
                pieces.append(f"{item['number']}. ")
            else:
                pieces.append("☐ " if item["task"] == " " else "☑ ")
            place = item.end()
        heading = stripped[place:].strip()
        return indent + "".join(pieces) + (f"{heading} " if heading else "")

    def _end_list(self, depth: int) -> str:
        """Return the blank line that ends a list in every reading, before a block of code; nothing if none is open."""
        is_open = self._may_be_in_list and not self._is_after_blank
        if not depth or not is_open:  # a list before a quote goes on behind it
            self._may_be_in_list = self._is_after_blank = False
        return f"{_quote_prefix(depth)}\n" if is_open else ""

    # Code.

    def _start_code(self, start: CodeStart) -> str:
        self._code, self.has_code, self._is_code_line_start = start, False, True
        self._backticks, self._last_code_sign = 0, ""
        shown = self._write_gap(start.depth)
        quote = _code_prefix(start)
        if start.prefix:
            shown += f"{quote}{self._write_prefix(start.prefix, '').rstrip()}\n"
        shown += self._end_list(start.depth)
        language = _LANGUAGE.match(start.info)
        rest = start.info[language.end() :].strip() if language else start.info
        if rest:
            title = rest.replace("`", "'")
            shown += f"{quote}-# `{self._label_state.secure_code(title)}`\n"
        return f"{shown}{quote}{FENCE}{language[0] if language else ''}\n"

    def _write_code(self, code: CodeText) -> str:
        start = self._code
        quote = _code_prefix(start) if self._is_code_line_start else ""
        if self._is_code_line_start:
            self._backticks = 0
        text = self._break_up_fences(code.text)
        if text.startswith("(") and self._last_code_sign == "]" and not self._is_code_line_start:
            text = f" {text}"
        self._last_code_sign = text[-1:]
        self.has_code = self.has_code or not _BLANK.match(text)
        self._is_code_line_start = code.ends_line
        return quote + self._label_state.secure_code(text) + ("\n" if code.ends_line else "")

    def _break_up_fences(self, code: str) -> str:
        """Return the code with a space before each third backtick in a row: Discord would end the block there.

        A space can be seen, and taken out again after copying; a character that only looks like a backtick, or cannot
        be seen, would be copied unnoticed.
        """
        if "`" not in code:
            self._backticks = 0
            return code
        shown: list[str] = []
        for char in code:
            self._backticks = self._backticks + 1 if char == "`" else 0
            if self._backticks > 1 and self._backticks % 2:
                shown.append(" ")
            shown.append(char)
        return "".join(shown)

    def _end_code(self, end: CodeEnd) -> str:
        start, self._code = self._code, None
        quote = _code_prefix(start)
        shown = "" if self.has_code else f"{quote} \n" if self._is_code_line_start else " "
        if not self._is_code_line_start:
            shown += "\n"
        self._is_paragraph_start = True
        return f"{shown}{quote}{FENCE}" + ("" if end.ends_text else "\n")


_UNINTENDED_BLOCK = re.compile(r"[ ]*(?=(?:#{1,3}|-#|>|>>>|[-*+])(?:\s|\Z)|#{1,3}[\s])|[ ]*\d+(?=\.\s)")
"""What the client would take for a block although the model's Markdown has none there."""


def _quote_prefix(depth: int) -> str:
    return f"> {'» ' * (depth - 1)}" if depth else ""


def _code_prefix(start: CodeStart | None) -> str:
    """Return what each line of a block of code begins with: of nested quotes Discord knows one, the rest is code."""
    return _quote_prefix(1) if start and start.depth else ""


def _quote_lines(text: str, depth: int) -> str:
    if not depth or not text:
        return text
    return "".join(f"{_quote_prefix(1)}{line}" for line in text.splitlines(keepends=True))


class DiscordMarkdownConverter:
    """Converts growing text. Fed piece by piece it returns what the whole text would give.

    Args:
        allowed_urls: the sources' URLs; no other stays live.
        page_length: how many characters a page holds: no URL is kept that cannot be kept in one piece.
        citations: for each source's number its URL, empty if it has none.
    """

    def __init__(
        self,
        allowed_urls: Collection[str] = (),
        page_length: int = DEFAULT_PAGE_LENGTH,
        citations: Mapping[int, str] | None = None,
    ) -> None:
        longest = min(MAX_LINK_LENGTH, page_length // 4)
        self._links = Links(
            tuple(sorted({url for url in allowed_urls if 0 < len(url) <= longest}, key=lambda url: (-len(url), url))),
            dict(citations or {}),
        )
        self._reader = MarkdownReader()
        self._writer = _BlockWriter(self._links)

    def feed(self, delta: str) -> str:
        """Take in newly arrived text and return what is decided: it will not change."""
        return "".join(map(self._writer.write, self._reader.feed(delta.replace("\r", ""))))

    def flush(self) -> str:
        """Return the rest: no more text comes."""
        return "".join(map(self._writer.write, self._reader.flush())) + self._writer.finish()

    @property
    def pending(self) -> str:
        """What is still held back, as it may be shown meanwhile after all that was returned."""
        reader, writer = self._reader.copy(), self._writer.copy()
        blocks = reader.flush()
        if not blocks:
            return writer.finish()
        *others, last = blocks
        if isinstance(last, CodeEnd) and others and _may_close_code(others[-1]):
            others.pop()
        shown = "".join(map(writer.write, others))
        if isinstance(last, CodeEnd):
            return shown + (writer.write(last) if writer.has_code else "")
        if isinstance(last, Prose) and not last.ends_line:
            arriving = self._complete(last)
            if arriving is None:
                return shown + writer.finish()
            last = arriving
        return shown + writer.write(last) + writer.finish()

    def _complete(self, prose: Prose) -> Prose | None:
        """Return a line that is still arriving as it may be shown, so that nothing flickers; None for nothing."""
        line = prose.prefix + prose.text
        if prose.starts_line and (_ARRIVING_PREFIX.match(line) or _DELIMITER_LINE.match(line)):
            return None
        text = self._strip_arriving(prose.text)
        if not text.strip() and prose.text.strip():
            return None if prose.starts_line else Prose("", "", prose.depth, starts_line=False, ends_line=False)
        return Prose(prose.prefix, _close_open_marks(text), prose.depth, prose.starts_line, ends_line=False)

    def _strip_arriving(self, text: str) -> str:
        if anchor := _ARRIVING_ANCHOR.search(text):
            return text[: anchor.start()] + anchor["label"]
        for arriving in (_ARRIVING_BADGE, _ARRIVING_LINK):
            if (link := arriving.search(text)) and not _CITATION_START.match(link[0]):
                is_image = arriving is _ARRIVING_BADGE or bool(link["image"])
                label = f"{link['label']} (image)" if is_image and "]" in link[0] and link["label"] else link["label"]
                return text[: link.start()] + label
        if (tag := _ARRIVING_TAG.search(text)) and _is_known_tag(tag["name"]):
            text = text[: tag.start()]
        elif entity := _ARRIVING_ENTITY.search(text):
            text = text[: entity.start()]
        url = _ARRIVING_URL.search(text)
        urls = self._links.allowed_urls
        if url and ":" in url[0] and url[0] not in urls and any(allowed.startswith(url[0]) for allowed in urls):
            text = text[: url.start()].rstrip("<")
        return _ARRIVING_SIGNS.sub("", text)


def _may_close_code(block: Block) -> bool:
    """Tell whether a line of code that is still arriving may become the closing fence."""
    return isinstance(block, CodeText) and not block.ends_line and _ARRIVING_FENCE.fullmatch(block.text) is not None


_CITATION_START = re.compile(r"\[\[?\s?\^?[\d ,;–-]*\]{0,2}\Z")


def _is_known_tag(name: str | None) -> bool:
    return not name or any(known.startswith(name.lower()) for known in KNOWN_TAGS)


def _close_open_marks(text: str) -> str:
    """Return a line that is still arriving with the marks closed that are open at its end."""
    if "`" not in text and "**" not in text and "~~" not in text and "||" not in text:
        return text
    tokens = tokenize(text)
    for position, token in enumerate(tokens):
        if token.kind is Kind.TICKS and len(token.text) < len(FENCE) and position + 1 < len(tokens):
            return f"{text}{token.text}"
    paired = {place for pair in pair_marks(tokens) for place in (pair.start, pair.end)}
    for position in range(len(tokens) - 2, -1, -1):
        token = tokens[position]
        if token.kind is Kind.MARK and token.text in {"**", "~~", "||"} and position not in paired:
            closed = text.rstrip() + token.text
            return closed if len(pair_marks(tokenize(closed))) > len(paired) // 2 else text
    return text


def convert_markdown(text: str, allowed_urls: Collection[str] = (), citations: Mapping[int, str] | None = None) -> str:
    """Return a whole text in Discord's Markdown."""
    converter = DiscordMarkdownConverter(allowed_urls, citations=citations)
    return converter.feed(text) + converter.flush()
