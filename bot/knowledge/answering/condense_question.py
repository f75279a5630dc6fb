# ruff: noqa: RUF001 - Russian letters look like others
"""Makes a follow-up question self-contained, so that it can be searched for.

A model is asked once, for one line; without one, or if it fails, keywords of the earlier question are appended.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bot.domain import QUESTION_LIMIT
from bot.knowledge.answering.prompts import build_condense_prompt
from bot.knowledge.models.model_errors import MODEL_ERRORS
from bot.text.invisible import strip_invisible
from bot.text.search_terms import extract_stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain import Question, Turn
    from bot.knowledge.models.openai import StreamingModel

_log = logging.getLogger(__name__)

CONDENSE_TIMEOUT: Final = 8.0
"""Seconds until the model's line is given up."""

_MIN_TERMS: Final = 2
"""A question with fewer terms is part of another one."""
_MAX_CARRIED_CHARS: Final = 300
"""Characters of the earlier question that are carried over."""
_MAX_LINE_CHARS: Final = 400
"""Characters of the model's line that are read."""

_PUNCTUATION: Final = "?!.,;:()[]\"'“”«»¿¡？！。，"

_CONTINUATION: Final = re.compile(
    r"\W*(?:and|but|or|also|what about|how about|what if|und|aber|oder|et|mais|ou|y|pero|и|а|но)\b", re.IGNORECASE
)
# "IT" is a department, "how long does it take to …" points at nothing, "that" does so only without a noun of its own.
_BACK_REFERENCE: Final = re.compile(
    r"""
    \b(?: (?-i:[Ii]t)(?!\s+(?:take|cost|possible|allowed|okay|ok|necessary|mean)\s+(?:\w+\s+)?(?:to|if|that|when)\b)
        | its|they|them|theirs?|he|she|him|his|hers?|ones|the\s+other|latter|former|otherwise|instead|else
        | dort|dafür|davon|damit|dabei|dazu|danach|darüber|ihm|ihnen|deren|dessen
        | ça|cela|celui|celle|ceux|eso|ello|allí|isso|это|этого|этому|он|она|они|его|её|ее|их|там )\b
    | \b(?:there|here|then|one|same)\W*\Z
    | \b(?:this|that|these|those)\b
      (?= \W*\Z | \s+(?:is|are|was|were|does|do|did|has|have|can|may|will|would|apply|work|cost|take|happen|mean)\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)


async def condense_question(question: Question, model: StreamingModel | None) -> str:
    """Return the question in words that need no conversation; unchanged where it needs none."""
    if not question.conversation or is_self_contained(question.text):
        return question.text
    if model is not None:
        try:
            async with asyncio.timeout(CONDENSE_TIMEOUT):
                line = await _rewrite(question, model)
        except (*MODEL_ERRORS, TimeoutError) as error:
            _log.warning(
                "Question %s: condensing failed (%s), keywords of the earlier question are added",
                question.answer_id,
                type(error).__name__,
            )
        else:
            if line:
                return line
    return append_previous_question(question.text, question.conversation, question.speaker)


def is_self_contained(text: str) -> bool:
    """Return whether a question is long enough and has no reference to earlier messages."""
    if _CONTINUATION.match(text) or _BACK_REFERENCE.search(text):
        return False
    return len(set(extract_stems(text))) >= _MIN_TERMS


def append_previous_question(text: str, conversation: Sequence[Turn], speaker: str = "") -> str:
    """Return the question and, in brackets, keywords of the one it follows: the speaker's last self-contained one."""
    if is_self_contained(text):
        return text
    asked = [turn for turn in reversed(conversation) if not turn.is_answer and turn.text.strip()]
    own = [turn for turn in asked if turn.speaker == speaker]
    candidates = [turn for turn in (*own, *asked) if is_self_contained(turn.text)] or own or asked
    if not candidates:
        return text
    earlier = _extract_keywords(candidates[0].text)[:_MAX_CARRIED_CHARS]
    room = QUESTION_LIMIT - len(text) - len(" ()")
    return f"{text} ({earlier[:room]})" if room > 0 and earlier not in text else text


def _extract_keywords(text: str) -> str:
    """Return the words of a question that are search terms, as they are written; all of them if none is."""
    telling = set(extract_stems(text))
    words = [word.strip(_PUNCTUATION) for word in text.split()]
    return " ".join([word for word in words if telling.intersection(extract_stems(word))] or words)


async def _rewrite(question: Question, model: StreamingModel) -> str:
    """Return the model's line; empty if it is unusable."""
    messages = build_condense_prompt(secrets.token_hex(8)).format_messages(
        conversation_str=_format_conversation(question.conversation),
        speaker_str=_single_line(question.speaker) or "somebody",
        query_str=question.text,
    )
    written = ""
    # Leaving the loop would keep the connection open: the model would go on, and be paid for.
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as listening:
            async for response in await model.astream_chat(messages):
                written += response.delta or ""
                if len(written) > _MAX_LINE_CHARS:
                    listening.reschedule(0)
    lines = [line.strip() for line in strip_invisible(written).strip().splitlines() if line.strip()]
    line = lines[0].strip("\"'“”«»") if lines else ""
    return line if len(line) <= _MAX_LINE_CHARS else ""


def _format_conversation(conversation: Sequence[Turn]) -> str:
    return "\n".join(f"{_single_line(turn.speaker)}: {_single_line(turn.text)}" for turn in conversation)


def _single_line(text: str) -> str:
    return " ".join(text.split())
