"""A guild's choices and the operator's limits go in, and what an admin is shown and told of them comes out. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.access.guild_settings import MAX_TEXT_LENGTH, SETTING_SPECS, describe_settings
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.access.budgets import Limits
    from bot.access.guild_settings import Json

FORUMS_UNREADABLE = (
    "I cannot read posts there: MESSAGE_CONTENT is off. Until the operator switches it on, none of them is answered."
)
"""What has to be said wherever forums are chosen for a bot that may not read messages."""

_OPERATOR_LIMITS = {
    "questions_per_minute": ("per_minute", "questions a minute"),
    "questions_by_role": ("per_minute", "questions a minute"),
    "tokens_per_person": ("person_daily", "tokens a day"),
    "tokens_by_role": ("person_daily", "tokens a day"),
    "tokens_per_server": ("guild_daily", "tokens a day"),
}
"""Choices that the operator bounds: the limit that does, and what it counts."""
_MESSAGE_LENGTH = 1_900
_VALUE_LENGTH = 500
_MENTION = re.compile(r"<(?P<kind>#|@&)(?P<id>\d{1,20})>")


def format_settings(stored: Mapping[str, Json], operator_limits: Limits, *, reads_messages: bool) -> list[str]:
    """All choices as messages that fit. ``operator_limits`` are the limits that no choice widens."""
    lines = ["**What is chosen for this server**"]
    for name, value, purpose in describe_settings(stored):
        lines.append(
            f"`{name}`: {_format_value(stored.get(name), value) or '–'}\n"
            f"-# {purpose}{_format_operator_limit(name, operator_limits)}"
        )
        if name == "forums" and value and not reads_messages:
            lines.append(f"-# {FORUMS_UNREADABLE}")
    return _join_lines([*lines, "-# Change one with `/settings set`; `/settings reset` takes it back."])


def format_change(name: str, value: Json, operator_limits: Limits, *, reads_messages: bool) -> str:
    """What an admin is told once a choice is kept."""
    words = f"`{name}` is now: {_format_value(value, SETTING_SPECS[name].format(value))}"
    bound = _find_operator_limit(name, operator_limits)
    amounts = list(value.values()) if isinstance(value, dict) else [value]
    if bound and any(isinstance(amount, int) and amount > bound for amount in amounts):
        words += f"\n-# The operator allows {bound:,} {_OPERATOR_LIMITS[name][1]}, which holds wherever it is less."
    if name == "forums" and not reads_messages:
        words += f"\n{FORUMS_UNREADABLE}"
    return words


def find_mentions(name: str, value: Json) -> tuple[frozenset[int], frozenset[int]]:
    """The channels and the roles that a choice names, by their ids."""
    found = _MENTION.findall(SETTING_SPECS[name].format(value)) if not isinstance(value, str) else []
    channels = frozenset(int(number) for kind, number in found if kind == "#")
    return channels, frozenset(int(number) for kind, number in found if kind == "@&")


def _format_value(stored: Json, value: str) -> str:
    """A value in Discord's Markdown: words are shown as they are, mentions as mentions."""
    if isinstance(stored, str):
        return escape_markdown(value, MAX_TEXT_LENGTH)
    if len(value) <= _VALUE_LENGTH:
        return value
    whole = value[:_VALUE_LENGTH].rsplit(" ", 1)[0]
    return f"{whole} …"


def _find_operator_limit(name: str, operator_limits: Limits) -> int:
    limit, _ = _OPERATOR_LIMITS.get(name, ("", ""))
    return int(getattr(operator_limits, limit)) if limit else 0


def _format_operator_limit(name: str, operator_limits: Limits) -> str:
    """What the operator allows at most; empty where nothing bounds a choice."""
    bound = _find_operator_limit(name, operator_limits)
    return f" · the operator allows {bound:,}" if bound else ""


def _join_lines(lines: list[str]) -> list[str]:
    messages = [lines[0]]
    for line in lines[1:]:
        if len(messages[-1]) + len(line) < _MESSAGE_LENGTH:
            messages[-1] += f"\n{line}"
        else:
            messages.append(line)
    return messages
