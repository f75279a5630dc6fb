"""Who may see and manage what: rules, people and places go in, a Scope or a yes or no comes out. Pure.

Whatever no rule opens is shut: a collection without rules is seen by nobody but the operator's own people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain import SHARED, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may see one collection, by Discord's ids; one that names nobody opens to nobody.

    ``guilds`` alone: every member of these. With ``roles``, ``users`` or ``channels`` beside them: of these only those
    who have one of the roles, or are one of the users, or ask in one of the channels or its threads.
    """

    guilds: frozenset[int] = _NOBODY
    roles: frozenset[int] = _NOBODY
    users: frozenset[int] = _NOBODY
    channels: frozenset[int] = _NOBODY

    @property
    def is_for_guilds(self) -> bool:
        """Whether it opens to whole guilds."""
        return bool(self.guilds) and not (self.roles or self.users or self.channels)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks or clicks. ``guilds`` and ``roles`` are those that count here.

    In a guild these are that guild and the roles in it; between two people, all that the person shares with the bot.
    ``may_manage``: the right to manage this guild's server. ``is_operator``: one of those who run the bot.
    """

    user_id: int
    guilds: frozenset[int] = _NOBODY
    roles: frozenset[int] = _NOBODY
    may_manage: bool = False
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Readers:
    """Who can read a channel beside its guild's administrators, who can read everything.

    ``roles`` are those each of which is enough to read it, a guild's own id standing for everybody in it; ``users``
    are people whom the channel itself lets in.
    """

    roles: frozenset[int] = _NOBODY
    users: frozenset[int] = _NOBODY


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is said. ``channels`` are the channel's id and, of a thread, that of the channel it lies in.

    ``readers`` is None where only the one who asks reads it.
    """

    guild_id: int | None = None
    channels: frozenset[int] = _NOBODY
    readers: Readers | None = None


@dataclass(frozen=True, slots=True)
class Admins:
    """Who may use the commands for admins, beside those who may manage the server. ``users`` run the bot itself."""

    users: frozenset[int] = _NOBODY
    roles: frozenset[int] = _NOBODY


def visible(rules: Mapping[str, Rule], person: Person, place: Place) -> Scope:
    """What this person may be told in this place: what is theirs to see, and everybody's who reads along."""
    seen = {name for name, rule in rules.items() if opens_to(rule, person, place) and may_be_shown(rule, place)}
    return Scope(frozenset({SHARED, *seen}))


def opens_to(rule: Rule, person: Person, place: Place) -> bool:
    """Whether a person may see a collection at all, asking from this place."""
    if rule.guilds and not rule.guilds & person.guilds:
        return False
    named = bool(rule.roles & person.roles) or person.user_id in rule.users or bool(rule.channels & place.channels)
    return rule.is_for_guilds or named


def may_be_shown(rule: Rule, place: Place) -> bool:
    """Whether everybody who reads this place may see the collection."""
    if place.readers is None:
        return True
    if rule.guilds and place.guild_id not in rule.guilds:
        return False
    if rule.is_for_guilds or rule.channels & place.channels:
        return True
    return place.readers.roles <= rule.roles and place.readers.users <= rule.users


def is_admin(admins: Admins, person: Person) -> bool:
    """Whether a person may use the commands for admins in a guild they are in."""
    return person.is_operator or person.may_manage or bool(admins.roles & person.roles)


def may_change(rules: Mapping[str, Rule], collection: str, person: Person, *, served: int) -> bool:
    """Whether an admin may add to a collection and take from it: the shared one only where no other guild shares it.

    ``served`` is the number of guilds the bot is in.
    """
    if person.is_operator:
        return True
    if collection == SHARED:
        return served <= 1
    rule = rules.get(collection)
    return rule is not None and bool(rule.guilds) and rule.guilds <= person.guilds
