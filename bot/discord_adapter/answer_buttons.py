"""Builds the buttons below an answer, and parses the custom ids of those that are clicked. Pure.

Components are Discord's own JSON. A custom id holds an action and the answer's id, nothing else, so that the button
works after a restart, and anything of another form is known to be forged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from bot.discord_adapter.components import CustomId
from bot.domain import QUESTION_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.answers.destination import OpenAnswer
    from bot.discord_adapter.surfaces import MessageLocation
    from bot.records import AnswerRecord

COMPONENT_FAMILY = "answer"
_ANSWER_ID = re.compile(r"[0-9]{1,20}")

_ROW = 1
_BUTTON = 2
_GREY = 2
_GREEN = 3
_RED = 4


class ButtonAction(Enum):
    """What a click on a button does.

    ``FEEDBACK_MODAL`` is not a button but the modal that a 👎 opens.
    """

    STOP = "stop"
    REGENERATE = "again"
    SOURCES = "sources"
    COPY = "copy"
    THUMBS_UP = "up"
    THUMBS_DOWN = "down"
    FEEDBACK_MODAL = "missing"


@dataclass(frozen=True, slots=True)
class ButtonId:
    """A button of this bot that was clicked: its action, and the id of the answer above it."""

    action: ButtonAction
    answer_id: str


@dataclass(frozen=True, slots=True)
class AnswerComponents:
    """The buttons below one answer that is being written, as its surface asks for them."""

    answer: OpenAnswer

    def streaming(self) -> Sequence[dict[str, Any]]:
        """Return the buttons below the page that is being written."""
        return build_streaming_buttons(self.answer.answer_id)

    def final(self, message_ids: Sequence[int]) -> Sequence[dict[str, Any]]:
        """Return the buttons below the last page."""
        self.answer.message_ids = tuple(message_ids)
        return build_final_buttons(self.answer.snapshot)

    async def on_complete(self, location: MessageLocation) -> None:
        """Note which messages show the answer."""
        self.answer.message_ids = location.message_ids


def format_custom_id(action: ButtonAction, answer_id: str) -> str:
    """Return the custom id of a button, as ``parse_button_id`` reads it."""
    return str(CustomId(COMPONENT_FAMILY, action.value, answer_id))


def parse_button_id(custom_id: CustomId | None) -> ButtonId | None:
    """Return what a button below an answer does; None if it is not one of ours."""
    if custom_id is None or custom_id.family != COMPONENT_FAMILY or not _ANSWER_ID.fullmatch(custom_id.argument):
        return None
    actions = {action.value: action for action in ButtonAction}
    return ButtonId(actions[custom_id.action], custom_id.argument) if custom_id.action in actions else None


def build_streaming_buttons(answer_id: str) -> list[dict[str, Any]]:
    """Return the buttons below an answer that is being written."""
    return [_build_row(_build_button(ButtonAction.STOP, answer_id, "Stop", style=_RED))]


def build_final_buttons(record: AnswerRecord) -> list[dict[str, Any]]:
    """Return the buttons below an answer that has ended; without any text only Retry or Regenerate."""
    again = _build_button(
        ButtonAction.REGENERATE, record.answer_id, "Retry" if record.status.is_interrupted else "Regenerate"
    )
    if not record.text.strip():
        return [_build_row(again)] if _can_be_asked(record.question) else []
    if record.is_automatic:
        return [_build_row(*_build_automatic_answer_buttons(record))]
    sources = [_build_button(ButtonAction.SOURCES, record.answer_id, "Sources")] if record.sources else []
    return [
        _build_row(
            again,
            *sources,
            _build_button(ButtonAction.COPY, record.answer_id, "Copy"),
            _build_button(ButtonAction.THUMBS_UP, record.answer_id, emoji="👍"),
            _build_button(ButtonAction.THUMBS_DOWN, record.answer_id, emoji="👎"),
        )
    ]


def _can_be_asked(question: str) -> bool:
    """Return whether asking again can help: an empty or too long question is refused every time."""
    return bool(question.strip()) and len(question) <= QUESTION_LIMIT


def _build_automatic_answer_buttons(record: AnswerRecord) -> list[dict[str, Any]]:
    """Return the buttons below an automatic answer: Solved and Not helpful count as the two votes."""
    return [
        _build_button(ButtonAction.THUMBS_UP, record.answer_id, "Solved", style=_GREEN),
        _build_button(ButtonAction.THUMBS_DOWN, record.answer_id, "Not helpful"),
        *([_build_button(ButtonAction.SOURCES, record.answer_id, "Sources")] if record.sources else []),
    ]


def _build_row(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": _ROW, "components": list(buttons)}


def _build_button(
    action: ButtonAction, answer_id: str, label: str = "", *, emoji: str = "", style: int = _GREY
) -> dict[str, Any]:
    face: dict[str, Any] = {"label": label} if label else {"emoji": {"id": None, "name": emoji}}
    return {"type": _BUTTON, "style": style, "custom_id": format_custom_id(action, answer_id), **face}
