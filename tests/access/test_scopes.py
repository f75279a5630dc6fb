"""Who may see and manage what, as a matrix of people, places and rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.scopes import (
    Admins,
    Audience,
    Location,
    Person,
    Rule,
    can_manage,
    grants_access,
    is_admin,
    is_visible_to_audience,
    resolve_scope,
)
from bot.domain import SHARED

GUILD, OTHER_GUILD = 1, 2
STAFF, GUESTS = 10, 11
ADA, BEN = 20, 21
GENERAL, BACK_ROOM, THREAD = 30, 31, 32

FOR_GUILD = Rule(guilds=frozenset({GUILD}))
FOR_STAFF = Rule(guilds=frozenset({GUILD}), roles=frozenset({STAFF}))
FOR_BEN = Rule(users=frozenset({BEN}))
FOR_ROOM = Rule(guilds=frozenset({GUILD}), channels=frozenset({BACK_ROOM}))
RULES = {"team": FOR_GUILD, "staff": FOR_STAFF, "ben": FOR_BEN, "room": FOR_ROOM, "shut": Rule()}

STAFFER = Person(ADA, frozenset({GUILD}), frozenset({STAFF}))
MEMBER = Person(BEN, frozenset({GUILD}))
STRANGER = Person(99, frozenset({OTHER_GUILD}), frozenset({GUESTS}))

IN_PRIVATE = Location(GUILD, frozenset({GENERAL}))
IN_PUBLIC = Location(GUILD, frozenset({GENERAL}), Audience(frozenset({GUILD})))
AMONG_STAFF = Location(GUILD, frozenset({GENERAL}), Audience(frozenset({STAFF})))
AMONG_STAFF_AND_BEN = Location(GUILD, frozenset({GENERAL}), Audience(frozenset({STAFF}), frozenset({BEN})))
IN_ROOM = Location(GUILD, frozenset({BACK_ROOM}), Audience(frozenset({GUESTS})))
IN_ROOMS_THREAD = Location(GUILD, frozenset({THREAD, BACK_ROOM}), Audience(frozenset({GUESTS})))
ELSEWHERE = Location(OTHER_GUILD, frozenset({40}), Audience(frozenset({OTHER_GUILD})))
ELSEWHERE_ALONE = Location(OTHER_GUILD, frozenset({40}))


@pytest.mark.parametrize(
    ("person", "place", "seen"),
    [
        (STAFFER, IN_PRIVATE, {"team", "staff"}),
        (MEMBER, IN_PRIVATE, {"team", "ben"}),
        (STAFFER, IN_PUBLIC, {"team"}),
        (MEMBER, IN_PUBLIC, {"team"}),
        (STAFFER, AMONG_STAFF, {"team", "staff"}),
        (STAFFER, AMONG_STAFF_AND_BEN, {"team"}),
        (MEMBER, AMONG_STAFF, {"team"}),
        (MEMBER, IN_ROOM, {"team", "room"}),
        (MEMBER, IN_ROOMS_THREAD, {"team", "room"}),
        (STRANGER, ELSEWHERE, set[str]()),
        (STRANGER, ELSEWHERE_ALONE, set[str]()),
    ],
)
def test_a_scope_holds_what_the_asker_and_all_readers_may_see(person: Person, place: Location, seen: set[str]) -> None:
    assert resolve_scope(RULES, person, place).collections == {SHARED, *seen}


def test_direct_message_scope_counts_all_guilds_and_roles_of_the_person() -> None:
    person = Person(99, frozenset({GUILD, OTHER_GUILD}), frozenset({STAFF}))
    assert resolve_scope(RULES, person, Location()).collections == {SHARED, "team", "staff"}


def test_role_of_another_guild_grants_no_access() -> None:
    assert not grants_access(FOR_STAFF, Person(ADA, frozenset({OTHER_GUILD}), frozenset({STAFF})), ELSEWHERE_ALONE)


def test_collection_of_one_guild_is_not_visible_in_another() -> None:
    assert not is_visible_to_audience(FOR_GUILD, ELSEWHERE)


ids = st.frozensets(st.integers(1, 4), max_size=3)
rules = st.builds(Rule, ids, ids, ids, ids)
audiences = st.one_of(st.none(), st.builds(Audience, ids, ids))
locations = st.builds(Location, st.one_of(st.none(), st.integers(1, 4)), ids, audiences)
people = st.builds(Person, st.integers(1, 4), ids, ids)


@given(rules, people, locations)
def test_public_scope_never_exceeds_the_private_scope(rule: Rule, person: Person, location: Location) -> None:
    alone = Location(location.guild_id, location.channels)
    assert (
        resolve_scope({"a": rule}, person, location).collections
        <= resolve_scope({"a": rule}, person, alone).collections
    )


@given(rules, st.builds(Location, st.integers(1, 4), ids, st.builds(Audience, ids, ids)))
def test_every_reader_of_a_channel_has_access_to_its_visible_collections(rule: Rule, location: Location) -> None:
    assert location.guild_id is not None
    assert location.audience is not None
    here = frozenset({location.guild_id})
    readers = [Person(0, here, frozenset({role})) for role in location.audience.roles]
    readers += [Person(user, here) for user in location.audience.users]
    assert not is_visible_to_audience(rule, location) or all(
        grants_access(rule, reader, location) for reader in readers
    )


def test_admins_are_those_who_manage_the_server_and_those_the_operator_names() -> None:
    admins = Admins(roles=frozenset({STAFF}))
    assert is_admin(admins, STAFFER)
    assert not is_admin(admins, MEMBER)
    assert is_admin(admins, Person(BEN, can_manage_guild=True))
    assert is_admin(Admins(), Person(BEN, is_operator=True))


def test_admin_manages_only_the_collections_of_their_guild() -> None:
    assert can_manage(RULES, "team", MEMBER, guild_count=2)
    assert can_manage(RULES, "staff", MEMBER, guild_count=2)
    assert not can_manage(RULES, "team", STRANGER, guild_count=2)
    assert not can_manage(RULES, "ben", MEMBER, guild_count=1)
    assert not can_manage(RULES, "shut", MEMBER, guild_count=1)
    assert not can_manage(RULES, "unheard of", MEMBER, guild_count=1)
    both = {"both": Rule(guilds=frozenset({GUILD, OTHER_GUILD}))}
    assert not can_manage(both, "both", MEMBER, guild_count=2)


def test_admin_manages_shared_documents_only_with_a_single_guild() -> None:
    assert can_manage(RULES, SHARED, MEMBER, guild_count=1)
    assert not can_manage(RULES, SHARED, MEMBER, guild_count=2)
    assert can_manage(RULES, SHARED, Person(BEN, is_operator=True), guild_count=2)
