"""Makes links inert that a client could follow in a message and that are not marked as ours.

Ours are between angle brackets: ``<https://…>`` and ``[label](<https://…>)``. Foreign text has no such brackets left
once it was escaped or converted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.text.invisible import INVISIBLE_RANGES
from bot.text.markdown import Kind, find_code_blocks, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUSPICIOUS = re.compile(
    rf"(?:https?|steam|discord)[{INVISIBLE_RANGES}]{{0,8}}:|discord[a-z]{{0,16}}\.[a-z]{{2,12}}/|\]\(", re.IGNORECASE
)
_LIVE_SCHEME = re.compile(r"(?:https?|steam|discord)\Z", re.IGNORECASE)
_INVITE = re.compile(r"(discord[a-z]{0,16})\.(?=[a-z]{2,12}/)", re.IGNORECASE)
_INVISIBLE = re.compile(f"[{INVISIBLE_RANGES}]")
_REST_IN_ANGLES = re.compile(r"[^\s<>]*>")
_MARKED_TARGET = "](<"


def neutralise_links(text: str) -> str:
    """Return a message's text with every live link inert that is not marked as ours; mostly the text as it is."""
    if not _SUSPICIOUS.search(text):
        return text
    shown: list[str] = []
    place = 0
    for block in find_code_blocks(text):
        shown += [_neutralise_prose(text[place : block.start]), text[block.start : block.end]]
        place = block.end
    return "".join(shown) + _neutralise_prose(text[place:])


def _neutralise_prose(text: str) -> str:
    lines = text.split("\n")
    return "\n".join("".join(_neutralise_line(line)) if _SUSPICIOUS.search(line) else line for line in lines)


def _neutralise_line(line: str) -> Iterator[str]:
    place = 0
    last_kind = Kind.NEWLINE
    for token in tokenize(line):
        match token.kind:
            case Kind.TEXT:
                yield _INVITE.sub(r"\1\[.]", token.text)
            case Kind.FOREIGN_URL if not _is_marked(line, place, place + len(token.text), last_kind):
                scheme, _, rest = token.text.partition(":")
                is_live = _LIVE_SCHEME.search(_INVISIBLE.sub("", scheme)) is not None
                yield f"{scheme}\\:{rest}" if is_live else token.text
            case Kind.TARGET if not token.text.startswith(_MARKED_TARGET):
                yield token.text.replace("](", "]\\(", 1).replace(":", "\\:")
            case _:
                yield token.text
        place += len(token.text)
        last_kind = token.kind


def _is_marked(line: str, start: int, end: int, last_kind: Kind) -> bool:
    """Tell whether an address is between angle brackets of which the first is not escaped."""
    is_opened = line.startswith("<", start - 1) and last_kind is not Kind.ESCAPE
    return is_opened and _REST_IN_ANGLES.match(line, end) is not None
