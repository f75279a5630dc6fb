"""Messages go in, and what was asked and said before comes out: mentions taken off, the newest turns kept. Pure.

What people wrote is data. Nothing here reads a brace, a mark or an order in it.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.domain import QUESTION_LIMIT, Scope, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bot.domain import Question

MAX_CONVERSATION_TOKENS = 1_500
"""Tokens a conversation may take up beside its question."""

_BYTES_PER_TOKEN = 3
_SPEAKER_TOKENS = 4
_ADDRESS_PUNCTUATION = ",:;"


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A turn as it was found, with what decides whether it may be remembered.

    ``speaker_id`` is Discord's id of whoever said it: names need not be one person's alone. ``scope``: what an answer
    was drawn from, where that is known.
    """

    turn: Turn
    speaker_id: int
    is_finished: bool = True
    scope: Scope | None = None


def with_history(
    question: Question, history: Sequence[HistoryMessage], visible_scope: Scope, *, speaker: str, speaker_id: int
) -> Question:
    """A question with what was said before it, the oldest first, as far as that may be ``visible_scope`` now.

    One that shares no documents with the answers before it is none that follows: it stands by itself.
    """
    scope = restrict_scope(question.scope, history)
    if not scope.collections:
        return replace(question, speaker=speaker)
    heard, speaker = disambiguate_speakers(history, speaker, speaker_id)
    return replace(question, conversation=trim_history(heard, visible_scope), speaker=speaker, scope=scope)


def disambiguate_speakers(
    history: Iterable[HistoryMessage], speaker: str, speaker_id: int
) -> tuple[list[HistoryMessage], str]:
    """What was said and who asks, each under a name that nobody else has here: a second "Ada" is "Ada 2"."""
    names: dict[int, str] = {}

    def name_of(person: int, name: str) -> str:
        count = 1
        chosen = names.get(person, name)
        while person not in names and chosen in names.values():
            count += 1
            chosen = f"{name} {count}"
        return names.setdefault(person, chosen)

    heard = [
        replace(each, turn=replace(each.turn, speaker=name_of(each.speaker_id, each.turn.speaker))) for each in history
    ]
    return heard, name_of(speaker_id, speaker)


def trim_history(
    history: Iterable[HistoryMessage],
    scope: Scope | None = None,
    *,
    max_tokens: int = MAX_CONVERSATION_TOKENS,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[Turn, ...]:
    """The turns that may be built upon, the oldest first: the newest that fit, the oldest of them perhaps shortened.

    A long answer is cut: it must not push out the question it answers.

    Args:
        history: What was said, the oldest first.
        scope: What may be told now; answers that were drawn from more are left out. None leaves out none.
        max_tokens: Tokens that all of it may take up.
        count_tokens: Tokens of a text; without one they are estimated.
    """
    count_tokens = count_tokens or estimate_tokens
    longest = max_tokens // 2
    kept: deque[Turn] = deque()
    finished = [utterance for utterance in history if utterance.is_finished or not utterance.turn.is_answer]
    allowed = [utterance.turn for utterance in finished if _is_within(utterance.scope, scope)]
    for turn in reversed(allowed):
        max_tokens -= count_tokens(turn.speaker) + _SPEAKER_TOKENS
        text = truncate_to_tokens(
            turn.text.strip(), min(max_tokens, longest) if turn.is_answer else max_tokens, count_tokens
        )
        if not text:
            break
        kept.appendleft(Turn(turn.speaker, text, turn.is_answer))
        max_tokens -= count_tokens(text)
    return tuple(kept)


def restrict_scope(scope: Scope, history: Iterable[HistoryMessage]) -> Scope:
    """What a follow-up may see: never more than each of the answers before it."""
    known = [utterance.scope.collections for utterance in history if utterance.scope]
    return Scope(scope.collections.intersection(*known))


def truncate_to_tokens(text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> str:
    """The longest beginning of a text, found by halves, that takes up no more than so many tokens."""
    if count_tokens(text) <= max_tokens:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if count_tokens(text[:middle]) <= max_tokens:
            fits = middle
        else:
            too_long = middle
    return text[:fits]


def estimate_tokens(text: str) -> int:
    """Roughly the tokens of a text, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def extract_question(
    content: str, bot_mentions: Collection[str], mention_names: Mapping[str, str] | None = None
) -> str:
    """The question in a message that addresses the bot.

    Args:
        content: The message as Discord has it.
        bot_mentions: The marks by which the bot is addressed ("<@1>"), taken off wherever they stand.
        mention_names: What is read in place of any other mark: "<@2>" → "@Ben".
    """
    text = content
    if bot_mentions:
        marks = "|".join(map(re.escape, sorted(bot_mentions, key=len, reverse=True)))
        begins_with_name = re.match(rf"\s*(?:{marks})", content) is not None
        text = re.sub(rf"(?:[^\S\n]*(?:{marks}))+[^\S\n]*", _replace_mention, content).strip()
        text = text.lstrip(_ADDRESS_PUNCTUATION).lstrip() if begins_with_name else text
    for mark, name in (mention_names or {}).items():
        text = text.replace(mark, name)
    return text.strip()


def add_quotation(question: str, quoted: str, limit: int = QUESTION_LIMIT) -> str:
    """A question together with the message it is about, as a quotation below it, cut where both are too long.

    A question without words of its own is the message itself.
    """
    quoted = quoted.strip()
    if not question.strip() or not quoted:
        return (question.strip() or quoted)[:limit]
    quotation = "".join(f"\n> {line}" for line in quoted.splitlines())
    return f"{question.strip()}\n{quotation}"[: max(limit, len(question.strip()))]


def _is_within(drawn_from: Scope | None, scope: Scope | None) -> bool:
    return drawn_from is None or scope is None or drawn_from.collections <= scope.collections


def _replace_mention(found: re.Match[str]) -> str:
    """What is left where a name stood: a space between words, nothing at a line's edge."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return " " if before.strip() and after.strip() else ""
