"""Decides which collections a person may see and manage in a place. Pure.

Whatever no rule opens is closed: a collection without rules is seen by nobody except the operator's own people.
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
    """Who may see one collection, by Discord's ids; a rule that names nobody opens it to nobody.

    ``guilds`` alone: every member of these guilds. With ``roles``, ``users`` or ``channels`` beside them: only members
    of these guilds who have one of the roles, are one of the users, or ask in one of the channels or its threads.
    """

    guilds: frozenset[int] = _NO_IDS
    roles: frozenset[int] = _NO_IDS
    users: frozenset[int] = _NO_IDS
    channels: frozenset[int] = _NO_IDS

    @property
    def is_for_guilds(self) -> bool:
        """Whether every member of its guilds may see the collection."""
        return bool(self.guilds) and not (self.roles or self.users or self.channels)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who asks or clicks. ``guilds`` and ``roles`` are those that count in this place.

    In a guild these are that guild and the person's roles in it; in a direct message, all guilds shared with the bot.
    ``can_manage_guild``: the person may manage this server. ``is_operator``: the person runs the bot.
    """

    user_id: int
    guilds: frozenset[int] = _NO_IDS
    roles: frozenset[int] = _NO_IDS
    can_manage_guild: bool = False
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Audience:
    """Who can read a channel, apart from administrators, who can read every channel.

    Each of ``roles`` is enough to read it (a guild's own id stands for everybody in it); ``users`` are people whom the
    channel itself admits.
    """

    roles: frozenset[int] = _NO_IDS
    users: frozenset[int] = _NO_IDS


@dataclass(frozen=True, slots=True)
class Location:
    """The place where a message would appear.

    ``channels`` are the channel's id and, for a thread, its parent's. ``audience`` is None if only the asker reads it.
    """

    guild_id: int | None = None
    channels: frozenset[int] = _NO_IDS
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class Admins:
    """Who may use admin commands, beside those who may manage the server. ``users`` run the bot itself."""

    users: frozenset[int] = _NO_IDS
    roles: frozenset[int] = _NO_IDS


def resolve_scope(rules: Mapping[str, Rule], person: Person, location: Location) -> Scope:
    """Return the collections that both this person and everybody who reads this place may see."""
    seen = {
        name
        for name, rule in rules.items()
        if grants_access(rule, person, location) and is_visible_to_audience(rule, location)
    }
    return Scope(frozenset({SHARED, *seen}))


def grants_access(rule: Rule, person: Person, location: Location) -> bool:
    """Return whether a rule lets a person see its collection, asking from this place."""
    if rule.guilds and not rule.guilds & person.guilds:
        return False
    named = bool(rule.roles & person.roles) or person.user_id in rule.users or bool(rule.channels & location.channels)
    return rule.is_for_guilds or named


def is_visible_to_audience(rule: Rule, location: Location) -> bool:
    """Return whether everybody who reads this place may see the collection."""
    if location.audience is None:
        return True
    if rule.guilds and location.guild_id not in rule.guilds:
        return False
    if rule.is_for_guilds or rule.channels & location.channels:
        return True
    return location.audience.roles <= rule.roles and location.audience.users <= rule.users


def is_admin(admins: Admins, person: Person) -> bool:
    """Return whether a person may use the admin commands of a guild."""
    return person.is_operator or person.can_manage_guild or bool(admins.roles & person.roles)


def can_manage(rules: Mapping[str, Rule], collection: str, person: Person, *, guild_count: int) -> bool:
    """Return whether an admin may add to and remove from a collection.

    The shared collection only if the bot serves no other guild. ``guild_count`` is the number of guilds the bot is in.
    """
    if person.is_operator:
        return True
    if collection == SHARED:
        return guild_count <= 1
    rule = rules.get(collection)
    return rule is not None and bool(rule.guilds) and rule.guilds <= person.guilds
