"""What is said to a model and the raw events of its stream go in; why it ended and what it took in tokens come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bot import errors
from bot.domain import AnswerOutcome, FinishReason, Usage
from bot.knowledge.splitting.splitter import token_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llama_index.core.base.llms.types import ChatMessage

INTERRUPTED: Final = "The model's answer broke off. What it had said stands; ask again for the rest."

_MUTE: Final = "The model ended without a word. Ask again, or put the question differently."
_OUT_OF_TOKENS: Final = (
    "The model used up its longest answer before its first word. "
    "Whoever runs Docent may allow it a longer one, or choose a model that thinks less."
)


class Tally:
    """What one stream has told: why it ended, and what it used.

    The model's own figures count where it gives any, mostly at its end. Until then, and where a stream was cut off,
    tokens are counted: not as they come, which would hold up the event loop, but when somebody asks.
    """

    def __init__(self) -> None:
        self._finish_reason: str | None = None
        self._told: tuple[int | None, int | None] = (None, None)
        self._given = _Counted()
        self._said = _Counted()

    def ask(self, messages: Sequence[ChatMessage]) -> None:
        """Take note of what the model is being asked."""
        self._given.add(message.content or "" for message in messages)

    def take_back(self) -> None:
        """Take note that the model was never given what it was to be asked: its server turned it away."""
        self._given = _Counted()

    def see(self, event: Any, thought: str = "") -> None:
        """Take note of one raw event, and of what the model thought in it."""
        self._said.add([thought])
        for choice in getattr(event, "choices", None) or ():
            self._finish_reason = choice.finish_reason or self._finish_reason
            self._said.add([getattr(choice.delta, "content", None) or ""])
        if usage := getattr(event, "usage", None):
            self._told = (usage.prompt_tokens, usage.completion_tokens)

    @property
    def usage(self) -> Usage:
        """The tokens it was given and has written, so far."""
        given, said = self._told
        if said is not None and self._finish_reason is None:
            said = max(said, self._said.count())  # some servers tell it in every event, some first of all
        return Usage(
            self._given.count() if given is None else given,
            self._said.count() if said is None else said,
        )

    def outcome(self, *, has_text: bool) -> AnswerOutcome:
        """How the stream ended, now that it has.

        Raises:
            ModelMute: it ended without a word.
            ModelInterrupted: it ended without saying that it had ended.
        """
        if self._finish_reason == "content_filter":
            return AnswerOutcome(FinishReason.FILTERED)
        if not has_text:
            raise errors.ModelResponseEmpty(_OUT_OF_TOKENS if self._finish_reason == "length" else _MUTE)
        if self._finish_reason is None:
            raise errors.ModelInterrupted(INTERRUPTED)
        return AnswerOutcome(FinishReason.CUT_AT_LENGTH if self._finish_reason == "length" else FinishReason.COMPLETE)


class _Counted:
    """Text that grows and is counted when asked: each piece once, however often that is."""

    def __init__(self) -> None:
        self._fresh: list[str] = []
        self._tokens = 0

    def add(self, pieces: Iterable[str]) -> None:
        self._fresh += filter(None, pieces)

    def count(self) -> int:
        if self._fresh:
            self._tokens += token_count("".join(self._fresh))
            self._fresh.clear()
        return self._tokens
