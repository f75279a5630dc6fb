"""Reads Rich Text Format: its text by paragraphs and table rows, without formatting, pictures and hidden parts."""

from __future__ import annotations

import codecs
import re
from typing import Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import Page

_TOKEN = re.compile(
    rb"\\(?:(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})?[ ]?|'(?P<hex>[0-9a-fA-F]{2})|(?P<symbol>[^a-zA-Z]))"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+"
)
_SKIPPED_GROUPS: Final = frozenset(
    b"fonttbl colortbl stylesheet info pict object header footer headerl headerr footerl footerr listtable"
    b" listoverridetable rsidtbl generator xmlnstbl themedata colorschememapping datastore latentstyles fldinst"
    b" bkmkstart bkmkend mmathPr wgrffmtfilter revtbl filetbl pgdsctbl listtext pntext".split()
)
_WORDS: Final = {
    b"par": "\n\n", b"sect": "\n\n", b"page": "\n\n", b"line": "\n", b"tab": "\t", b"cell": " | ", b"row": "\n\n",
    b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘", b"rquote": "’",  # noqa: RUF001 - what the words mean
    b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_SYMBOLS: Final = {b"~": " ", b"_": "-", b"-": "", b"\n": "\n\n", b"\r": "\n\n"}
_CHARSETS: Final = {128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254", 177: "cp1255",
                    178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250"}  # fmt: skip
_MAX_DEPTH: Final = 2_000
_HIGH_HALF, _LOW_HALF = re.compile("[\ud800-\udbff]$"), re.compile("[\udc00-\udfff]")


class _Group:
    r"""The state that a group inherits and gives back: whether it is shown, its encoding, and what follows ``\u``."""

    __slots__ = ("encoding", "is_shown", "skip_after_unicode")

    def __init__(self, *, is_shown: bool = True, encoding: str = "", skip_after_unicode: int = 1) -> None:
        self.is_shown = is_shown
        self.encoding = encoding
        self.skip_after_unicode = skip_after_unicode


def read_rtf(content: bytes) -> list[Page]:
    """Read a text of Rich Text Format; its title is the one in its properties.

    Raises:
        DocumentUnreadable: It is no RTF, or nested too deeply.
    """
    if not content.lstrip().startswith(b"{\\rtf"):
        raise DocumentUnreadable("its content is not RTF")
    declared = re.search(rb"\\ansicpg(\d{3,5})", content[:4096])
    title = re.search(rb"\{\\title ([^{}]{1,400})\}", content[:65_536])
    encoding = _find_encoding(f"cp{declared[1].decode()}" if declared else "cp1252")
    text = _Converter(encoding, _read_font_encodings(content)).convert(content)
    name = _Converter(encoding, {}).convert(title[1]) if title else ""
    return [
        Page(
            re.sub(r"[ \t]*\| *(?=\n|$)", "", re.sub(r"\n{3,}", "\n\n", text)).strip(), name.strip(), is_markdown=False
        )
    ]


def _read_font_encodings(content: bytes) -> dict[int, str]:
    """Return the encoding of each font that declares a character set of its own."""
    table = content[: 256 * 1024].partition(b"\\fonttbl")[2]
    pairs = re.findall(rb"\\f(\d{1,5})\b[^{};]{0,200}?\\fcharset(\d{1,3})", table)
    return {int(font): _CHARSETS[int(charset)] for font, charset in pairs if int(charset) in _CHARSETS}


def _find_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


class _Converter:
    """Goes through the tokens once, with a stack of groups."""

    def __init__(self, encoding: str, fonts: dict[int, str]) -> None:
        self._fonts = fonts
        self._encoding = encoding
        self._group = _Group(encoding=encoding)
        self._stack: list[_Group] = []
        self._out: list[str] = []
        self._bytes = bytearray()
        self._to_skip = 0
        self._is_group_start = False

    def convert(self, content: bytes) -> str:
        place = 0
        while place < len(content) and (token := _TOKEN.match(content, place)) is not None:
            place = token.end()
            if token["word"] == b"bin":  # raw bytes follow
                place += max(int(token["number"] or 0), 0)
            elif token["brace"]:
                self._change_group(is_opening=token["brace"] == b"{")
            elif token["word"]:
                self._apply_word(token["word"], token["number"])
            elif token["hex"]:
                self._add_bytes(bytes.fromhex(token["hex"].decode()))
            elif token["symbol"]:
                self._apply_symbol(token["symbol"])
            elif token["text"]:
                self._add_bytes(token["text"])
        self._flush()
        return "".join(self._out)

    def _change_group(self, *, is_opening: bool) -> None:
        self._flush()
        self._to_skip = 0
        if is_opening:
            if len(self._stack) >= _MAX_DEPTH:
                raise DocumentUnreadable("nested too deeply")
            self._stack.append(self._group)
            group = self._group
            self._group = _Group(
                is_shown=group.is_shown, encoding=group.encoding, skip_after_unicode=group.skip_after_unicode
            )
        elif self._stack:
            self._group = self._stack.pop()
        self._is_group_start = is_opening

    def _apply_word(self, word: bytes, number: bytes | None) -> None:
        value = int(number) if number else None
        if self._is_group_start and word in _SKIPPED_GROUPS:
            self._group.is_shown = False
        self._is_group_start = False
        if word == b"u" and value is not None:
            self._flush()
            self._add_text(chr(value % 0x1_0000))
            self._to_skip = self._group.skip_after_unicode
        elif word == b"uc" and value is not None:
            self._group.skip_after_unicode = value
        elif word == b"f" and value is not None:
            self._flush()
            self._group.encoding = self._fonts.get(value, self._encoding)
        elif word == b"v":
            self._group.is_shown = self._group.is_shown and value == 0
        elif word in _WORDS:
            self._flush()
            self._add_text(_WORDS[word])

    def _apply_symbol(self, symbol: bytes) -> None:
        if symbol == b"*":  # a group that older readers do not know, and that holds no text of the document
            self._group.is_shown = False
        elif symbol in b"\\{}":
            self._add_bytes(symbol)
        elif symbol in _SYMBOLS:
            self._flush()
            self._add_text(_SYMBOLS[symbol])

    def _add_bytes(self, raw: bytes) -> None:
        self._is_group_start = False
        skipped = min(self._to_skip, len(raw))
        self._to_skip -= skipped
        self._bytes += raw[skipped:]

    def _flush(self) -> None:
        if self._bytes:
            self._add_text(self._bytes.decode(self._group.encoding or self._encoding, "replace"))
            self._bytes.clear()

    def _add_text(self, text: str) -> None:
        if not self._group.is_shown:
            return
        if self._out and _HIGH_HALF.search(self._out[-1]) and _LOW_HALF.match(text):
            text = (self._out.pop() + text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._out.append(text)
