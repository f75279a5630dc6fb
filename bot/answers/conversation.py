"""Extracts the question from a message, and keeps the newest messages before it within a token limit. Pure.

What people wrote is data: nothing here follows a brace, a citation or an instruction in it.
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
    """An earlier message, with what decides whether it may be used.

    ``speaker_id`` is the Discord id of its author: several people may have the same name. ``scope`` is what an answer
    was drawn from, if that is known.
    """

    turn: Turn
    speaker_id: int
    is_finished: bool = True
    scope: Scope | None = None


def with_history(
    question: Question, history: Sequence[HistoryMessage], visible_scope: Scope, *, speaker: str, speaker_id: int
) -> Question:
    """Return the question with the earlier messages that ``visible_scope`` allows, the oldest first.

    If it shares no collection with the answers before it, it is not a follow-up and stays as it is.
    """
    scope = restrict_scope(question.scope, history)
    if not scope.collections:
        return replace(question, speaker=speaker)
    messages, speaker = disambiguate_speakers(history, speaker, speaker_id)
    return replace(question, conversation=trim_history(messages, visible_scope), speaker=speaker, scope=scope)


def disambiguate_speakers(
    history: Iterable[HistoryMessage], speaker: str, speaker_id: int
) -> tuple[list[HistoryMessage], str]:
    """Give everybody in the history and the asker a name of their own: a second "Ada" becomes "Ada 2"."""
    names: dict[int, str] = {}

    def name_of(person: int, name: str) -> str:
        count = 1
        chosen = names.get(person, name)
        while person not in names and chosen in names.values():
            count += 1
            chosen = f"{name} {count}"
        return names.setdefault(person, chosen)

    messages = [
        replace(each, turn=replace(each.turn, speaker=name_of(each.speaker_id, each.turn.speaker))) for each in history
    ]
    return messages, name_of(speaker_id, speaker)


def trim_history(
    history: Iterable[HistoryMessage],
    scope: Scope | None = None,
    *,
    max_tokens: int = MAX_CONVERSATION_TOKENS,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[Turn, ...]:
    """Return the newest messages that fit, the oldest first; the oldest of them may be shortened.

    A long answer is cut: it must not push out the question it answers.

    Args:
        history: The earlier messages, the oldest first.
        scope: What may be shown now; answers drawn from other collections are left out. None leaves out none.
        max_tokens: Tokens of the whole history at most.
        count_tokens: Counts the tokens of a text; by default they are estimated.
    """
    count_tokens = count_tokens or estimate_tokens
    longest = max_tokens // 2
    turns: deque[Turn] = deque()
    finished = [message for message in history if message.is_finished or not message.turn.is_answer]
    allowed = [message.turn for message in finished if _is_within(message.scope, scope)]
    for turn in reversed(allowed):
        max_tokens -= count_tokens(turn.speaker) + _SPEAKER_TOKENS
        text = truncate_to_tokens(
            turn.text.strip(), min(max_tokens, longest) if turn.is_answer else max_tokens, count_tokens
        )
        if not text:
            break
        turns.appendleft(Turn(turn.speaker, text, turn.is_answer))
        max_tokens -= count_tokens(text)
    return tuple(turns)


def restrict_scope(scope: Scope, history: Iterable[HistoryMessage]) -> Scope:
    """Return the collections a follow-up may see: never more than each answer before it."""
    known = [message.scope.collections for message in history if message.scope]
    return Scope(scope.collections.intersection(*known))


def truncate_to_tokens(text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> str:
    """Return the longest beginning of a text that has at most this many tokens, by binary search."""
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
    """Estimate the tokens of a text, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def extract_question(
    content: str, bot_mentions: Collection[str], mention_names: Mapping[str, str] | None = None
) -> str:
    """Return the question in a message that addresses the bot.

    Args:
        content: The message as Discord has it.
        bot_mentions: The mentions that address the bot ("<@1>"); they are removed wherever they are.
        mention_names: Names in place of all other mentions: "<@2>" → "@Ben".
    """
    text = content
    if bot_mentions:
        mentions = "|".join(map(re.escape, sorted(bot_mentions, key=len, reverse=True)))
        begins_with_mention = re.match(rf"\s*(?:{mentions})", content) is not None
        text = re.sub(rf"(?:[^\S\n]*(?:{mentions}))+[^\S\n]*", _replace_mention, content).strip()
        text = text.lstrip(_ADDRESS_PUNCTUATION).lstrip() if begins_with_mention else text
    for mention, name in (mention_names or {}).items():
        text = text.replace(mention, name)
    return text.strip()


def add_quotation(question: str, quoted: str, limit: int = QUESTION_LIMIT) -> str:
    """Return a question with the message it is about as a quotation below it, cut to ``limit`` characters.

    A question without words of its own becomes the message itself.
    """
    quoted = quoted.strip()
    if not question.strip() or not quoted:
        return (question.strip() or quoted)[:limit]
    quotation = "".join(f"\n> {line}" for line in quoted.splitlines())
    return f"{question.strip()}\n{quotation}"[: max(limit, len(question.strip()))]


def _is_within(drawn_from: Scope | None, scope: Scope | None) -> bool:
    return drawn_from is None or scope is None or drawn_from.collections <= scope.collections


def _replace_mention(found: re.Match[str]) -> str:
    """Return what replaces a mention: a space between words, nothing at the edge of a line."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return " " if before.strip() and after.strip() else ""
