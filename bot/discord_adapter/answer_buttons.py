"""An answer's key goes in, and the row of buttons below that answer comes out; a pressed one says which it was.

Pure: components are Discord's own JSON. A button's id holds what it does and the answer's key, nothing else, so that it
works after a restart, and whatever is not of that form is known to be forged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from bot.domain import QUESTION_LIMIT

if TYPE_CHECKING:
    from bot.records import Record

_OURS = "answer:"
_CUSTOM_ID = re.compile(r"answer:(?P<deed>[a-z]{1,20}):(?P<key>[0-9]{1,20})")

_ROW = 1
_BUTTON = 2
_GREY = 2
_GREEN = 3
_RED = 4


class Deed(Enum):
    """What pressing a button does. ``MISSING`` is no button: it is the form behind the thumb that points down."""

    STOP = "stop"
    AGAIN = "again"
    SOURCES = "sources"
    COPY = "copy"
    UP = "up"
    DOWN = "down"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Press:
    """A button of ours that was pressed: what it does, and the key of the answer it stands below."""

    deed: Deed
    key: str


def custom_id(deed: Deed, key: str) -> str:
    """What a button is called, by which ``pressed`` knows it again; at most 36 characters."""
    return f"{_OURS}{deed.value}:{key}"


def is_ours(name: str) -> bool:
    """Whether a component of that name claims to be one of these buttons."""
    return name.startswith(_OURS)


def pressed(name: str) -> Press | None:
    """What a component's name means; None if it was never one of ours."""
    match = _CUSTOM_ID.fullmatch(name)
    if match is None or match["deed"] not in {deed.value for deed in Deed}:
        return None
    return Press(Deed(match["deed"]), match["key"])


def while_writing(key: str) -> list[dict[str, Any]]:
    """The buttons below an answer that is being written."""
    return [_row(_button(Deed.STOP, key, "Stop", style=_RED))]


def afterwards(record: Record) -> list[dict[str, Any]]:
    """The buttons below an answer that has come to its end, whichever; where nothing was said there is little to do."""
    again = _button(Deed.AGAIN, record.key, "Retry" if record.fate.is_interrupted else "Regenerate")
    if not record.text.strip():
        return [_row(again)] if _can_be_asked(record.question) else []
    if record.is_automatic:
        return [_row(*_judging_an_automatic(record))]
    sources = [_button(Deed.SOURCES, record.key, "Sources")] if record.sources else []
    return [
        _row(
            again,
            *sources,
            _button(Deed.COPY, record.key, "Copy"),
            _button(Deed.UP, record.key, emoji="👍"),
            _button(Deed.DOWN, record.key, emoji="👎"),
        )
    ]


def _can_be_asked(question: str) -> bool:
    """Whether asking can help: a question that is empty or too long is refused every time."""
    return bool(question.strip()) and len(question) <= QUESTION_LIMIT


def _judging_an_automatic(record: Record) -> list[dict[str, Any]]:
    """Below an answer nobody asked for: whether it was one. They are the two thumbs in plain words."""
    return [
        _button(Deed.UP, record.key, "Solved", style=_GREEN),
        _button(Deed.DOWN, record.key, "Not helpful"),
        *([_button(Deed.SOURCES, record.key, "Sources")] if record.sources else []),
    ]


def _row(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": _ROW, "components": list(buttons)}


def _button(deed: Deed, key: str, label: str = "", *, emoji: str = "", style: int = _GREY) -> dict[str, Any]:
    words: dict[str, Any] = {"label": label} if label else {"emoji": {"id": None, "name": emoji}}
    return {"type": _BUTTON, "style": style, "custom_id": custom_id(deed, key), **words}
