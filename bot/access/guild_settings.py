"""What a guild's admins have chosen for it: names and written values go in, checked choices come out. Pure.

A value is written the way an admin types it into a command: words, numbers, and channels and roles as Discord mentions
them. It is kept as JSON; what is kept and no longer understood counts as not chosen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bot.domain import Manner
from bot.errors import CustomInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bot.access.budgets import Limits

Json = Any
"""What JSON can hold."""

LONGEST = 300
"""Characters of the longest value that is words."""

_MOST = 1_000_000_000
_MENTIONED_CHANNEL = re.compile(r"<#(\d{1,20})>")
_MENTIONED_ROLE = re.compile(r"<@&(\d{1,20})>\s*[=:]?\s*(\d[\d,._]{0,14})")
_YES = {"yes", "on", "true"}
_NO = {"no", "off", "false"}


@dataclass(frozen=True, slots=True)
class Customs:
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
    def manner(self) -> Manner:
        """How answers are to be written here."""
        return Manner(self.language, self.tone)

    def limits(self, general: Limits, roles: Collection[int]) -> Limits:
        """What a person with these roles may ask and spend here; never more than the operator allows."""
        return general.narrowed(
            per_minute=_most(self.role_minute, roles) or self.per_minute,
            person_daily=_most(self.role_daily, roles) or self.person_daily,
            guild_daily=self.guild_daily,
        )

    def is_open(self, channels: Collection[int]) -> bool:
        """Whether answers may appear in a channel, given its id and, of a thread, that of its channel."""
        return not self.channels or not self.channels.isdisjoint(channels)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be chosen: what it is for, how it is read, and how it is shown to an admin."""

    name: str
    purpose: str
    read: Callable[[str], Json]
    show: Callable[[Json], str]


def customs(kept: Mapping[str, Json]) -> Customs:
    """The choices as they were kept; one that is not understood is left out."""
    return Customs(
        channels=frozenset(_numbers(kept.get("channels"))),
        forums=frozenset(_numbers(kept.get("forums"))),
        language=_line(kept.get("language")),
        tone=_line(kept.get("tone")),
        threads=kept.get("threads") is True,
        private=kept.get("private") is True,
        per_minute=_number(kept.get("questions_per_minute")),
        person_daily=_number(kept.get("tokens_per_person")),
        guild_daily=_number(kept.get("tokens_per_server")),
        role_minute=_by_role(kept.get("questions_by_role")),
        role_daily=_by_role(kept.get("tokens_by_role")),
    )


def read(name: str, written: str) -> Json:
    """What an admin wrote for a choice, as it is to be kept.

    Raises:
        CustomInvalid: there is no such choice, or it cannot have this value.
    """
    if name not in CHOICES:
        raise CustomInvalid(f"There is no setting {name}. There are: {', '.join(CHOICES)}.")
    return CHOICES[name].read(written.strip())


def shown(kept: Mapping[str, Json]) -> list[tuple[str, str, str]]:
    """Every choice for an admin to look at: its name, its value ("" where nothing was chosen), and what it is for."""
    return [
        (choice.name, choice.show(kept[choice.name]) if choice.name in kept else "", choice.purpose)
        for choice in CHOICES.values()
    ]


def _read_channels(written: str) -> list[str]:
    found = _MENTIONED_CHANNEL.findall(written)
    if not found or _MENTIONED_CHANNEL.sub("", written).strip(" ,\n"):
        raise CustomInvalid("Name channels by their marks, such as #general #help.")
    return list(dict.fromkeys(found))


def _read_line(written: str) -> str:
    line = " ".join(written.split())
    if not line or len(line) > LONGEST:
        raise CustomInvalid(f"Write a line of at most {LONGEST} characters.")
    return line


def _read_switch(written: str) -> bool:
    if written.lower() not in _YES | _NO:
        raise CustomInvalid("Say yes or no.")
    return written.lower() in _YES


def _read_number(written: str) -> int:
    digits = re.sub(r"(?<=\d)[,._ ](?=\d)", "", written)
    if not digits.isascii() or not digits.isdecimal() or not 0 < int(digits) <= _MOST:
        raise CustomInvalid(f"Write a whole number from 1 to {_MOST:,}.")
    return int(digits)


def _read_by_role(written: str) -> dict[str, int]:
    found = _MENTIONED_ROLE.findall(written)
    if not found or _MENTIONED_ROLE.sub("", written).strip(" ,;\n"):
        raise CustomInvalid("Name roles with a number each, such as @staff 50000, @guests 2000.")
    return {role: _read_number(number.rstrip(",._")) for role, number in found}


def _show_channels(kept: Json) -> str:
    return " ".join(f"<#{number}>" for number in sorted(_numbers(kept)))


def _show_by_role(kept: Json) -> str:
    return ", ".join(f"<@&{role}> {number:,}" for role, number in sorted(_by_role(kept).items()))


def _show_switch(kept: Json) -> str:
    return "yes" if kept is True else "no"


def _show_number(kept: Json) -> str:
    number = _number(kept)
    return "" if number is None else f"{number:,}"


def _numbers(kept: Json) -> list[int]:
    items = cast("Sequence[Json]", kept) if isinstance(kept, list) else ()
    return [int(item) for item in items if str(item).isdecimal()]


def _number(kept: Json) -> int | None:
    return kept if isinstance(kept, int) and not isinstance(kept, bool) and kept > 0 else None


def _line(kept: Json) -> str:
    return kept[:LONGEST] if isinstance(kept, str) else ""


def _by_role(kept: Json) -> dict[int, int]:
    pairs = cast("Mapping[str, Json]", kept) if isinstance(kept, dict) else {}
    read_pairs = ((role, _number(number)) for role, number in pairs.items() if str(role).isdecimal())
    return {int(role): number for role, number in read_pairs if number is not None}


def _most(by_role: Mapping[int, int], roles: Collection[int]) -> int | None:
    """The most generous number of these roles, if one of them has any."""
    return max((by_role[role] for role in roles if role in by_role), default=None)


CHOICES: Mapping[str, Choice] = {
    choice.name: choice
    for choice in (
        Choice("channels", "where answers may appear; unset: everywhere", _read_channels, _show_channels),
        Choice("forums", "forums and channels whose new posts are answered unasked", _read_channels, _show_channels),
        Choice("language", "language of the answers; unset: the question's own", _read_line, _line),
        Choice("tone", "a line on how answers are to be written", _read_line, _line),
        Choice("threads", "/ask opens a thread by itself", _read_switch, _show_switch),
        Choice("private", "/ask answers the asker alone by itself", _read_switch, _show_switch),
        Choice("questions_per_minute", "questions of one person within a minute", _read_number, _show_number),
        Choice("questions_by_role", "the same for each person with a role", _read_by_role, _show_by_role),
        Choice("tokens_per_person", "tokens a day for one person", _read_number, _show_number),
        Choice("tokens_by_role", "tokens a day for each person with a role", _read_by_role, _show_by_role),
        Choice("tokens_per_server", "tokens a day for this server", _read_number, _show_number),
    )
}
"""Everything that can be chosen, in the order in which it is shown."""
