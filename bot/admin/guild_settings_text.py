"""A guild's choices and the operator's limits go in, and what an admin is shown and told of them comes out. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.access.guild_settings import CHOICES, LONGEST, shown
from bot.text.citations import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.access.budgets import Limits
    from bot.access.guild_settings import Json

UNREADABLE = (
    "I cannot read posts there: MESSAGE_CONTENT is off. Until the operator switches it on, none of them is answered."
)
"""What has to be said wherever forums are chosen for a bot that may not read messages."""

_LIMITS = {
    "questions_per_minute": ("per_minute", "questions a minute"),
    "questions_by_role": ("per_minute", "questions a minute"),
    "tokens_per_person": ("person_daily", "tokens a day"),
    "tokens_by_role": ("person_daily", "tokens a day"),
    "tokens_per_server": ("guild_daily", "tokens a day"),
}
"""Choices that the operator bounds: the limit that does, and what it counts."""
_MESSAGE = 1_900
_VALUE = 500
_MENTION = re.compile(r"<(?P<kind>#|@&)(?P<id>\d{1,20})>")


def described(kept: Mapping[str, Json], operators: Limits, *, reads_messages: bool) -> list[str]:
    """All choices as messages that fit. ``operators`` are the limits that no choice widens."""
    lines = ["**What is chosen for this server**"]
    for name, value, purpose in shown(kept):
        lines.append(f"`{name}`: {_shown(kept.get(name), value) or '–'}\n-# {purpose}{_bounded(name, operators)}")
        if name == "forums" and value and not reads_messages:
            lines.append(f"-# {UNREADABLE}")
    return _joined([*lines, "-# Change one with `/settings set`; `/settings reset` takes it back."])


def told(name: str, value: Json, operators: Limits, *, reads_messages: bool) -> str:
    """What an admin is told once a choice is kept."""
    words = f"`{name}` is now: {_shown(value, CHOICES[name].show(value))}"
    bound = _bound(name, operators)
    amounts = list(value.values()) if isinstance(value, dict) else [value]
    if bound and any(isinstance(amount, int) and amount > bound for amount in amounts):
        words += f"\n-# The operator allows {bound:,} {_LIMITS[name][1]}, which holds wherever it is less."
    if name == "forums" and not reads_messages:
        words += f"\n{UNREADABLE}"
    return words


def mentioned(name: str, value: Json) -> tuple[frozenset[int], frozenset[int]]:
    """The channels and the roles that a choice names, by their ids."""
    found = _MENTION.findall(CHOICES[name].show(value)) if not isinstance(value, str) else []
    channels = frozenset(int(number) for kind, number in found if kind == "#")
    return channels, frozenset(int(number) for kind, number in found if kind == "@&")


def _shown(kept: Json, value: str) -> str:
    """A value in Discord's Markdown: words are shown as they are, mentions as mentions."""
    if isinstance(kept, str):
        return escaped(value, LONGEST)
    if len(value) <= _VALUE:
        return value
    whole = value[:_VALUE].rsplit(" ", 1)[0]
    return f"{whole} …"


def _bound(name: str, operators: Limits) -> int:
    limit, _ = _LIMITS.get(name, ("", ""))
    return int(getattr(operators, limit)) if limit else 0


def _bounded(name: str, operators: Limits) -> str:
    """What the operator allows at most; empty where nothing bounds a choice."""
    bound = _bound(name, operators)
    return f" · the operator allows {bound:,}" if bound else ""


def _joined(lines: list[str]) -> list[str]:
    messages = [lines[0]]
    for line in lines[1:]:
        if len(messages[-1]) + len(line) < _MESSAGE:
            messages[-1] += f"\n{line}"
        else:
            messages.append(line)
    return messages
