"""What a guild's admins have chosen for it: names and written values go in, checked choices come out. Pure.

A value is written the way an admin types it into a command: words, numbers, and channels and roles as Discord mentions
them. It is kept as JSON; what is kept and no longer understood counts as not chosen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bot.domain import ResponseStyle
from bot.errors import GuildSettingInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bot.access.budgets import Limits

Json = Any
"""What JSON can hold."""

MAX_TEXT_LENGTH = 300
"""Characters of the longest value that is words."""

_MAX_NUMBER = 1_000_000_000
_MENTIONED_CHANNEL = re.compile(r"<#(\d{1,20})>")
_MENTIONED_ROLE = re.compile(r"<@&(\d{1,20})>\s*[=:]?\s*(\d[\d,._]{0,14})")
_YES = {"yes", "on", "true"}
_NO = {"no", "off", "false"}


@dataclass(frozen=True, slots=True)
class GuildSettings:
    """One guild's choices. Empty ``channels`` are all; ``threads`` and ``private`` are what /ask does by itself.

    ``role_minute`` and ``role_daily``: questions a minute and tokens a day for each person with a role, the most
    generous of theirs, in place of ``per_minute`` and ``person_daily``. None leaves the operator's own limit.
    """

    channels: frozenset[int] = frozenset()
    forums: frozenset[int] = frozenset()
    language: str = ""
    tone: str = ""
    threads: bool = False
    private: bool = False
    per_minute: int | None = None
    person_daily: int | None = None
    guild_daily: int | None = None
    role_minute: Mapping[int, int] = field(default_factory=dict[int, int])
    role_daily: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def style(self) -> ResponseStyle:
        """How answers are to be written here."""
        return ResponseStyle(self.language, self.tone)

    def limits_for(self, operator_limits: Limits, roles: Collection[int]) -> Limits:
        """What a person with these roles may ask and spend here; never more than the operator allows."""
        return operator_limits.narrow(
            per_minute=_find_highest(self.role_minute, roles) or self.per_minute,
            person_daily=_find_highest(self.role_daily, roles) or self.person_daily,
            guild_daily=self.guild_daily,
        )

    def allows(self, channels: Collection[int]) -> bool:
        """Whether answers may appear in a channel, given its id and, of a thread, that of its channel."""
        return not self.channels or not self.channels.isdisjoint(channels)


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One thing that can be chosen: what it is for, how it is read, and how it is shown to an admin."""

    name: str
    purpose: str
    parse: Callable[[str], Json]
    format: Callable[[Json], str]


def parse_guild_settings(stored: Mapping[str, Json]) -> GuildSettings:
    """The choices as they were kept; one that is not understood is left out."""
    return GuildSettings(
        channels=frozenset(_load_ids(stored.get("channels"))),
        forums=frozenset(_load_ids(stored.get("forums"))),
        language=_load_line(stored.get("language")),
        tone=_load_line(stored.get("tone")),
        threads=stored.get("threads") is True,
        private=stored.get("private") is True,
        per_minute=_load_number(stored.get("questions_per_minute")),
        person_daily=_load_number(stored.get("tokens_per_person")),
        guild_daily=_load_number(stored.get("tokens_per_server")),
        role_minute=_load_by_role(stored.get("questions_by_role")),
        role_daily=_load_by_role(stored.get("tokens_by_role")),
    )


def parse_setting(name: str, text: str) -> Json:
    """What an admin wrote for a choice, as it is to be kept.

    Raises:
        CustomInvalid: there is no such choice, or it cannot have this value.
    """
    if name not in SETTING_SPECS:
        raise GuildSettingInvalid(f"There is no setting {name}. There are: {', '.join(SETTING_SPECS)}.")
    return SETTING_SPECS[name].parse(text.strip())


def describe_settings(stored: Mapping[str, Json]) -> list[tuple[str, str, str]]:
    """Every choice for an admin to look at: its name, its value ("" where nothing was chosen), and what it is for."""
    return [
        (choice.name, choice.format(stored[choice.name]) if choice.name in stored else "", choice.purpose)
        for choice in SETTING_SPECS.values()
    ]


def _parse_channels(text: str) -> list[str]:
    found = _MENTIONED_CHANNEL.findall(text)
    if not found or _MENTIONED_CHANNEL.sub("", text).strip(" ,\n"):
        raise GuildSettingInvalid("Name channels by their marks, such as #general #help.")
    return list(dict.fromkeys(found))


def _parse_line(text: str) -> str:
    line = " ".join(text.split())
    if not line or len(line) > MAX_TEXT_LENGTH:
        raise GuildSettingInvalid(f"Write a line of at most {MAX_TEXT_LENGTH} characters.")
    return line


def _parse_switch(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise GuildSettingInvalid("Say yes or no.")
    return text.lower() in _YES


def _parse_number(text: str) -> int:
    digits = re.sub(r"(?<=\d)[,._ ](?=\d)", "", text)
    if not digits.isascii() or not digits.isdecimal() or not 0 < int(digits) <= _MAX_NUMBER:
        raise GuildSettingInvalid(f"Write a whole number from 1 to {_MAX_NUMBER:,}.")
    return int(digits)


def _parse_by_role(text: str) -> dict[str, int]:
    found = _MENTIONED_ROLE.findall(text)
    if not found or _MENTIONED_ROLE.sub("", text).strip(" ,;\n"):
        raise GuildSettingInvalid("Name roles with a number each, such as @staff 50000, @guests 2000.")
    return {role: _parse_number(number.rstrip(",._")) for role, number in found}


def _format_channels(stored: Json) -> str:
    return " ".join(f"<#{number}>" for number in sorted(_load_ids(stored)))


def _format_by_role(stored: Json) -> str:
    return ", ".join(f"<@&{role}> {number:,}" for role, number in sorted(_load_by_role(stored).items()))


def _format_switch(stored: Json) -> str:
    return "yes" if stored is True else "no"


def _format_number(stored: Json) -> str:
    number = _load_number(stored)
    return "" if number is None else f"{number:,}"


def _load_ids(stored: Json) -> list[int]:
    items = cast("Sequence[Json]", stored) if isinstance(stored, list) else ()
    return [int(item) for item in items if str(item).isdecimal()]


def _load_number(stored: Json) -> int | None:
    return stored if isinstance(stored, int) and not isinstance(stored, bool) and stored > 0 else None


def _load_line(stored: Json) -> str:
    return stored[:MAX_TEXT_LENGTH] if isinstance(stored, str) else ""


def _load_by_role(stored: Json) -> dict[int, int]:
    pairs = cast("Mapping[str, Json]", stored) if isinstance(stored, dict) else {}
    read_pairs = ((role, _load_number(number)) for role, number in pairs.items() if str(role).isdecimal())
    return {int(role): number for role, number in read_pairs if number is not None}


def _find_highest(by_role: Mapping[int, int], roles: Collection[int]) -> int | None:
    """The most generous number of these roles, if one of them has any."""
    return max((by_role[role] for role in roles if role in by_role), default=None)


SETTING_SPECS: Mapping[str, SettingSpec] = {
    choice.name: choice
    for choice in (
        SettingSpec("channels", "where answers may appear; unset: everywhere", _parse_channels, _format_channels),
        SettingSpec(
            "forums", "forums and channels whose new posts are answered unasked", _parse_channels, _format_channels
        ),
        SettingSpec("language", "language of the answers; unset: the question's own", _parse_line, _load_line),
        SettingSpec("tone", "a line on how answers are to be written", _parse_line, _load_line),
        SettingSpec("threads", "/ask opens a thread by itself", _parse_switch, _format_switch),
        SettingSpec("private", "/ask answers the asker alone by itself", _parse_switch, _format_switch),
        SettingSpec("questions_per_minute", "questions of one person within a minute", _parse_number, _format_number),
        SettingSpec("questions_by_role", "the same for each person with a role", _parse_by_role, _format_by_role),
        SettingSpec("tokens_per_person", "tokens a day for one person", _parse_number, _format_number),
        SettingSpec("tokens_by_role", "tokens a day for each person with a role", _parse_by_role, _format_by_role),
        SettingSpec("tokens_per_server", "tokens a day for this server", _parse_number, _format_number),
    )
}
"""Everything that can be chosen, in the order in which it is shown."""
