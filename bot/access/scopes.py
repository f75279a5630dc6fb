"""Who may see and manage what: rules, people and places go in, a Scope or a yes or no comes out. Pure.

Whatever no rule opens is shut: a collection without rules is seen by nobody but the operator's own people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain import SHARED, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_IDS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may see one collection, by Discord's ids; one that names nobody opens to nobody.

    ``guilds`` alone: every member of these. With ``roles``, ``users`` or ``channels`` beside them: of these only
    those
    who have one of the roles, or are one of the users, or ask in one of the channels or its threads.
    """

    guilds: frozenset[int] = _NO_IDS
    roles: frozenset[int] = _NO_IDS
    users: frozenset[int] = _NO_IDS
    channels: frozenset[int] = _NO_IDS

    @property
    def is_for_guilds(self) -> bool:
        """Whether it opens to whole guilds."""
        return bool(self.guilds) and not (self.roles or self.users or self.channels)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks or clicks. ``guilds`` and ``roles`` are those that count here.

    In a guild these are that guild and the roles in it; between two people, all that the person shares with the bot.
    ``can_manage_guild``: the right to manage this guild's server. ``is_operator``: one of those who run the bot.
    """

    user_id: int
    guilds: frozenset[int] = _NO_IDS
    roles: frozenset[int] = _NO_IDS
    can_manage_guild: bool = False
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Audience:
    """Who can read a channel beside its guild's administrators, who can read everything.

    ``roles`` are those each of which is enough to read it, a guild's own id standing for everybody in it; ``users``
    are people whom the channel itself lets in.
    """

    roles: frozenset[int] = _NO_IDS
    users: frozenset[int] = _NO_IDS


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is said. ``channels`` are the channel's id and, of a thread, that of the channel it lies in.

    ``audience`` is None where only the one who asks reads it.
    """

    guild_id: int | None = None
    channels: frozenset[int] = _NO_IDS
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class Admins:
    """Who may use the commands for admins, beside those who may manage the server. ``users`` run the bot itself."""

    users: frozenset[int] = _NO_IDS
    roles: frozenset[int] = _NO_IDS


def resolve_scope(rules: Mapping[str, Rule], person: Person, location: Location) -> Scope:
    """What this person may be told in this place: what is theirs to see, and everybody's who reads along."""
    seen = {
        name
        for name, rule in rules.items()
        if grants_access(rule, person, location) and is_visible_to_audience(rule, location)
    }
    return Scope(frozenset({SHARED, *seen}))


def grants_access(rule: Rule, person: Person, location: Location) -> bool:
    """Whether a person may see a collection at all, asking from this place."""
    if rule.guilds and not rule.guilds & person.guilds:
        return False
    named = bool(rule.roles & person.roles) or person.user_id in rule.users or bool(rule.channels & location.channels)
    return rule.is_for_guilds or named


def is_visible_to_audience(rule: Rule, location: Location) -> bool:
    """Whether everybody who reads this place may see the collection."""
    if location.audience is None:
        return True
    if rule.guilds and location.guild_id not in rule.guilds:
        return False
    if rule.is_for_guilds or rule.channels & location.channels:
        return True
    return location.audience.roles <= rule.roles and location.audience.users <= rule.users


def is_admin(admins: Admins, person: Person) -> bool:
    """Whether a person may use the commands for admins in a guild they are in."""
    return person.is_operator or person.can_manage_guild or bool(admins.roles & person.roles)


def can_manage(rules: Mapping[str, Rule], collection: str, person: Person, *, guild_count: int) -> bool:
    """Whether an admin may add to a collection and take from it: the shared one only where no other guild shares it.

    ``guild_count`` is the number of guilds the bot is in.
    """
    if person.is_operator:
        return True
    if collection == SHARED:
        return guild_count <= 1
    rule = rules.get(collection)
    return rule is not None and bool(rule.guilds) and rule.guilds <= person.guilds
