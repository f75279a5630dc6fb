"""Texts about a guild's settings for its admins. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.guild_settings import MAX_TEXT_LENGTH, SETTING_PURPOSES
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from bot.access.budgets import Limits
    from bot.access.guild_settings import GuildSettings

FORUMS_UNREADABLE = (
    "I cannot read posts there: MESSAGE_CONTENT is off. Until the operator switches it on, none of them is answered."
)

_OPERATOR_LIMITS = {
    "questions_per_minute": ("per_minute", "questions a minute"),
    "questions_by_role": ("per_minute", "questions a minute"),
    "tokens_per_person": ("person_daily", "tokens a day"),
    "tokens_by_role": ("person_daily", "tokens a day"),
    "tokens_per_server": ("guild_daily", "tokens a day"),
}
"""The operator's limit of a setting and its unit."""
_MESSAGE_LENGTH = 1_900
_VALUE_LENGTH = 500


def format_settings(settings: GuildSettings, operator_limits: Limits, *, reads_messages: bool) -> list[str]:
    """Return all settings with their purposes and the operator's limits, as messages that Discord accepts."""
    lines = ["**Settings of this server**"]
    for name, purpose in SETTING_PURPOSES.items():
        lines.append(
            f"`{name}`: {_format_value(settings, name) or '–'}\n"
            f"-# {purpose}{_format_operator_limit(name, operator_limits)}"
        )
        if name == "forums" and settings.forums and not reads_messages:
            lines.append(f"-# {FORUMS_UNREADABLE}")
    return _join_lines([*lines, "-# Change one with `/settings set`; `/settings reset` resets it."])


def format_change(settings: GuildSettings, name: str, operator_limits: Limits, *, reads_messages: bool) -> str:
    """Return the reply to an admin after changing a setting."""
    text = f"`{name}` is now: {_format_value(settings, name)}"
    value = getattr(settings, name)
    limit = _find_operator_limit(name, operator_limits)
    amounts = list(value.values()) if isinstance(value, dict) else [value]
    if limit and any(isinstance(amount, int) and amount > limit for amount in amounts):
        text += f"\n-# The operator allows {limit:,} {_OPERATOR_LIMITS[name][1]}; the lower limit applies."
    if name == "forums" and not reads_messages:
        text += f"\n{FORUMS_UNREADABLE}"
    return text


def find_mentions(settings: GuildSettings, name: str) -> tuple[frozenset[int], frozenset[int]]:
    """Return the ids of the channels and of the roles that a setting names."""
    value = getattr(settings, name)
    channels: frozenset[int] = value if isinstance(value, frozenset) else frozenset()
    return channels, frozenset(value) if isinstance(value, dict) else frozenset()


def _format_value(settings: GuildSettings, name: str) -> str:
    value = settings.format(name)
    if isinstance(getattr(settings, name), str):
        return escape_markdown(value, MAX_TEXT_LENGTH)
    if len(value) <= _VALUE_LENGTH:
        return value
    return f"{value[:_VALUE_LENGTH].rsplit(' ', 1)[0]} …"


def _find_operator_limit(name: str, operator_limits: Limits) -> int:
    limit, _ = _OPERATOR_LIMITS.get(name, ("", ""))
    return int(getattr(operator_limits, limit)) if limit else 0


def _format_operator_limit(name: str, operator_limits: Limits) -> str:
    limit = _find_operator_limit(name, operator_limits)
    return f" · the operator allows {limit:,}" if limit else ""


def _join_lines(lines: list[str]) -> list[str]:
    messages = [lines[0]]
    for line in lines[1:]:
        if len(messages[-1]) + len(line) < _MESSAGE_LENGTH:
            messages[-1] += f"\n{line}"
        else:
            messages.append(line)
    return messages
