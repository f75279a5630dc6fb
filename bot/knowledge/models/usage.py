"""Counts the tokens of one stream, and tells why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot import errors
from bot.domain import AnswerStatus, Usage
from bot.knowledge.splitting.splitter import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llama_index.core.base.llms.types import ChatMessage

    from bot.knowledge.models.chat_stream import ChatUpdate

INTERRUPTED: Final = "The model's answer broke off. What it had said stands; ask again for the rest."

_MUTE: Final = "The model ended without a word. Ask again, or put the question differently."
_OUT_OF_TOKENS: Final = (
    "The model used up its longest answer before its first word. "
    "Whoever runs Docent may allow it a longer one, or choose a model that thinks less."
)


class UsageCounter:
    """Counts the tokens of one stream, and remembers its finish reason.

    The model's own figures win, mostly reported at its end. Until then, and where a stream was cut off, tokens are
    counted: when ``usage`` is read, not as they come, which would hold up the event loop.
    """

    def __init__(self) -> None:
        self._finish_reason: str | None = None
        self._reported: tuple[int | None, int | None] = (None, None)
        self._prompt = _TextCounter()
        self._completion = _TextCounter()

    def start(self, messages: Sequence[ChatMessage]) -> None:
        """Record the messages of the request that is being sent."""
        self._prompt.add(message.content or "" for message in messages)

    def cancel(self) -> None:
        """Forget the request: its server refused it."""
        self._prompt = _TextCounter()

    def observe(self, update: ChatUpdate) -> None:
        """Record what has arrived."""
        self._completion.add([update.reasoning, update.text])
        self._finish_reason = update.finish_reason or self._finish_reason
        self._reported = update.usage or self._reported

    @property
    def usage(self) -> Usage:
        """Tokens of prompt and completion so far."""
        given, said = self._reported
        if said is not None and self._finish_reason is None:
            said = max(said, self._completion.count())  # some servers report it in every event, some first of all
        return Usage(
            self._prompt.count() if given is None else given,
            self._completion.count() if said is None else said,
        )

    @property
    def reported_prompt_tokens(self) -> int | None:
        """The tokens of the prompt as the server reports them; None as long as it has not."""
        return self._reported[0]

    def status(self, *, has_text: bool) -> AnswerStatus:
        """How the stream ended, now that it has.

        Raises:
            ModelMute: it ended without a word.
            ModelInterrupted: it ended without saying that it had ended.
        """
        if self._finish_reason == "content_filter":
            return AnswerStatus.FILTERED
        if not has_text:
            raise errors.ModelResponseEmpty(_OUT_OF_TOKENS if self._finish_reason == "length" else _MUTE)
        if self._finish_reason is None:
            raise errors.ModelInterrupted(INTERRUPTED)
        return AnswerStatus.CUT_AT_LENGTH if self._finish_reason == "length" else AnswerStatus.COMPLETE


class _TextCounter:
    """Text that grows and is counted when asked: each piece once, however often that is."""

    def __init__(self) -> None:
        self._uncounted: list[str] = []
        self._tokens = 0

    def add(self, pieces: Iterable[str]) -> None:
        self._uncounted += filter(None, pieces)

    def count(self) -> int:
        if self._uncounted:
            self._tokens += count_tokens("".join(self._uncounted))
            self._uncounted.clear()
        return self._tokens
