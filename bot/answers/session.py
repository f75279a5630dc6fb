"""One question is told to its end: a status line, then deltas, then closing words for whichever end it came to."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.domain import Ending, Usage
from bot.errors import AnswerUnavailable, DocentError, NothingFound, StoreUnusable
from bot.records import Fate
from bot.streaming import Begun, Closing, Ended, Failed, OutOfTime, Restarting, Stalled, Stopped
from bot.text.citations import Citing, escaped, footer, links, located
from bot.text.invisible import Unveiling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bot.domain import Answer, Answerer, Question, Source
    from bot.streaming import Cause

_log = logging.getLogger(__name__)

_NAMED = 2
"""How many documents a status line names; the others are counted."""

_MINUTE = 60

AUTOMATIC = "Answered automatically, from this team's documents."
"""What stands below an answer that nobody asked the bot for."""

_ENDINGS = {
    Ending.COMPLETE: "",
    Ending.CUT_AT_LENGTH: "Cut off: the model reached its length limit. Ask for the rest.",
    Ending.FILTERED: "Cut off: the model provider's filter stopped the answer.",
    Ending.NOT_FOUND: "",
}

_FATES = {
    Ending.COMPLETE: Fate.COMPLETE,
    Ending.CUT_AT_LENGTH: Fate.CUT_AT_LENGTH,
    Ending.FILTERED: Fate.FILTERED,
    Ending.NOT_FOUND: Fate.NOT_FOUND,
}

_INTERRUPTIONS: dict[type[Cause], Fate] = {
    Failed: Fate.FAILED,
    Stopped: Fate.STOPPED,
    Restarting: Fate.RESTARTING,
    Stalled: Fate.STALLED,
    OutOfTime: Fate.OUT_OF_TIME,
}


class Telling:
    """One question's way from the asker to its last word. Used once.

    ``is_automatic``: nobody asked the bot, which is said below the answer. ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        answerer: Answerer,
        question: Question,
        *,
        is_automatic: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answerer = answerer
        self._question = question
        self._is_automatic = is_automatic
        self._clock = clock
        self._answer: Answer | None = None
        self._told = _Told()
        self._fate = Fate.WRITING

    @property
    def text(self) -> str:
        """What the model has said so far."""
        return "".join(self._told.deltas)

    @property
    def first_word_at(self) -> float | None:
        """When the first words came, None as long as there are none."""
        return self._told.since

    @property
    def usage(self) -> Usage:
        """What the model was given and wrote so far."""
        return self._answer.usage if self._answer else Usage()

    @property
    def sources(self) -> Sequence[Source]:
        """The passages it rests on; none before it has begun."""
        return self._answer.sources if self._answer else ()

    @property
    def searched_for(self) -> str:
        """The self-contained question that was searched, where it is not the one that was asked."""
        return self._answer.searched_for if self._answer else ""

    @property
    def fate(self) -> Fate:
        """What became of it, as far as the reader has been told."""
        return self._fate

    async def begin(self) -> Begun:
        """Find the passages and say what is being read.

        Raises:
            DocentError: whatever the answerer raises; ``closing`` has the words for it.
        """
        self._answer = await self._answerer.answer(self._question)
        return Begun(
            status=reading(self.sources, self.searched_for), links=links(self.sources), rewriting=Citing(self.sources)
        )

    def deltas(self) -> AsyncIterator[str]:
        """The answer's text as it arrives.

        Raises:
            RuntimeError: ``begin`` has not succeeded.
        """
        if self._answer is None:
            raise RuntimeError("deltas() before begin() has succeeded")
        return _Overheard(self._answer.deltas(), self._told, self._clock)

    def closing(self, cause: Cause) -> Closing:
        """The words for an end: a mark under what was said, or the whole message where nothing was."""
        self._fate = self._became(cause)
        return Closing(note=self._note(cause), footer=footer(self.text, self.sources))

    def _became(self, cause: Cause) -> Fate:
        if isinstance(cause, Ended) and self._answer:
            return _FATES[self._answer.outcome.ending]
        if isinstance(cause, Failed) and isinstance(cause.error, NothingFound):
            return Fate.NOT_FOUND
        return _INTERRUPTIONS.get(type(cause), Fate.LOST)

    def _note(self, cause: Cause) -> str:
        if isinstance(cause, Ended):
            return _subtext(self._remark(), self._notice(), AUTOMATIC if self._is_automatic else "")
        reason = self._reason(cause)
        if not self.text.strip():
            return reason
        return _subtext(reason if isinstance(cause, Stopped) else f"Interrupted. {reason}", self._notice())

    def _notice(self) -> str:
        return self._answer.notice if self._answer else ""

    def _remark(self) -> str:
        return _ENDINGS[self._answer.outcome.ending] if self._answer else ""

    def _reason(self, cause: Cause) -> str:
        match cause:
            case Failed(error=error):
                return self._complaint(error)
            case Stopped(by=by):
                return f"Stopped by {escaped(by)}."
            case Restarting():
                return "Docent is restarting. Ask again in a moment."
            case Stalled(seconds=seconds):
                return f"The model has said nothing for {seconds:.0f} s. Ask again to retry."
            case OutOfTime(seconds=seconds):
                return f"The answer took longer than {_minutes(seconds)}. Ask again, or ask for less at once."
            case _:
                return "Nobody is left to read it."

    def _complaint(self, error: Exception) -> str:
        if not isinstance(error, DocentError):
            return unexpected(error, self._question.key)
        if isinstance(error, AnswerUnavailable | StoreUnusable):
            # Whoever runs the bot can mend it, and does not read the channel.
            _log.warning("Answer %s: %s (%s)", self._question.key, error.words, type(error.__cause__).__name__)
        return error.words


@dataclass(slots=True)
class _Told:
    """What was said so far, and when the first words came."""

    deltas: list[str] = field(default_factory=list[str])
    since: float | None = None


class _Overheard:
    """Passes deltas on, without what nobody would see of them, and keeps them.

    A class, not a generator: cancelling the task that waits on it reaches the model's stream at once.
    """

    def __init__(self, deltas: AsyncIterator[str], told: _Told, clock: Callable[[], float]) -> None:
        self._deltas = deltas
        self._told = told
        self._clock = clock
        self._unveiling = Unveiling()

    def __aiter__(self) -> _Overheard:
        return self

    async def __anext__(self) -> str:
        delta = self._unveiling.feed(await anext(self._deltas))
        self._told.deltas.append(delta)
        if self._told.since is None and delta.strip():
            self._told.since = self._clock()
        return delta


def reading(sources: Sequence[Source], searched_for: str = "") -> str:
    """The status line while the model has not spoken: which documents it was given, the best first.

    Before them comes what was searched for, where that is not what was asked.
    """
    understood = f"“{escaped(searched_for)}”\n" if searched_for else ""
    best: dict[str, Source] = {}
    for source in sources:
        best.setdefault(source.document, source)
    named = " · ".join(_named(source) for source in list(best.values())[:_NAMED])
    more = f" + {len(best) - _NAMED} more" if len(best) > _NAMED else ""
    return f"{understood}Reading {named or 'the documents'}{more} …"


def unexpected(error: BaseException, key: str) -> str:
    """One sentence for an error nobody foresaw; its traceback goes to the log under the code the sentence names."""
    reference = hashlib.sha256(key.encode()).hexdigest()[:6].upper()
    _log.error("Unexpected failure, reference %s", reference, exc_info=error)
    return f"Something went wrong that nobody foresaw. Whoever runs Docent finds it in the log under {reference}."


def _named(source: Source) -> str:
    return located(escaped(source.title) or escaped(source.document), source)


def _minutes(seconds: float) -> str:
    return f"{seconds / _MINUTE:.0f} min" if seconds >= _MINUTE else f"{seconds:.0f} s"


def _subtext(*remarks: str) -> str:
    """Each remark as one line of small print."""
    return "\n".join(f"-# {' '.join(remark.split())}" for remark in remarks if remark)
