"""Who may see and manage what, as a matrix of people, places and rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.scopes import (
    Admins,
    Person,
    Place,
    Readers,
    Rule,
    is_admin,
    may_be_shown,
    may_change,
    opens_to,
    visible,
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

IN_PRIVATE = Place(GUILD, frozenset({GENERAL}))
IN_PUBLIC = Place(GUILD, frozenset({GENERAL}), Readers(frozenset({GUILD})))
AMONG_STAFF = Place(GUILD, frozenset({GENERAL}), Readers(frozenset({STAFF})))
AMONG_STAFF_AND_BEN = Place(GUILD, frozenset({GENERAL}), Readers(frozenset({STAFF}), frozenset({BEN})))
IN_ROOM = Place(GUILD, frozenset({BACK_ROOM}), Readers(frozenset({GUESTS})))
IN_ROOMS_THREAD = Place(GUILD, frozenset({THREAD, BACK_ROOM}), Readers(frozenset({GUESTS})))
ELSEWHERE = Place(OTHER_GUILD, frozenset({40}), Readers(frozenset({OTHER_GUILD})))
ELSEWHERE_ALONE = Place(OTHER_GUILD, frozenset({40}))


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
def test_a_scope_holds_what_the_asker_and_all_readers_may_see(person: Person, place: Place, seen: set[str]) -> None:
    assert visible(RULES, person, place).collections == {SHARED, *seen}


def test_between_two_people_all_their_guilds_and_roles_count() -> None:
    person = Person(99, frozenset({GUILD, OTHER_GUILD}), frozenset({STAFF}))
    assert visible(RULES, person, Place()).collections == {SHARED, "team", "staff"}


def test_a_role_of_another_guild_opens_nothing() -> None:
    assert not opens_to(FOR_STAFF, Person(ADA, frozenset({OTHER_GUILD}), frozenset({STAFF})), ELSEWHERE_ALONE)


def test_what_is_one_guilds_is_shown_in_no_other() -> None:
    assert not may_be_shown(FOR_GUILD, ELSEWHERE)


ids = st.frozensets(st.integers(1, 4), max_size=3)
rules = st.builds(Rule, ids, ids, ids, ids)
readers = st.one_of(st.none(), st.builds(Readers, ids, ids))
places = st.builds(Place, st.one_of(st.none(), st.integers(1, 4)), ids, readers)
people = st.builds(Person, st.integers(1, 4), ids, ids)


@given(rules, people, places)
def test_in_public_nobody_is_told_more_than_in_private(rule: Rule, person: Person, place: Place) -> None:
    alone = Place(place.guild_id, place.channels)
    assert visible({"a": rule}, person, place).collections <= visible({"a": rule}, person, alone).collections


@given(rules, st.builds(Place, st.integers(1, 4), ids, st.builds(Readers, ids, ids)))
def test_whoever_reads_along_might_have_asked_themselves(rule: Rule, place: Place) -> None:
    assert place.guild_id is not None
    assert place.readers is not None
    here = frozenset({place.guild_id})
    readers = [Person(0, here, frozenset({role})) for role in place.readers.roles]
    readers += [Person(user, here) for user in place.readers.users]
    assert not may_be_shown(rule, place) or all(opens_to(rule, reader, place) for reader in readers)


def test_admins_are_those_who_manage_the_server_and_those_the_operator_names() -> None:
    admins = Admins(roles=frozenset({STAFF}))
    assert is_admin(admins, STAFFER)
    assert not is_admin(admins, MEMBER)
    assert is_admin(admins, Person(BEN, may_manage=True))
    assert is_admin(Admins(), Person(BEN, is_operator=True))


def test_an_admin_changes_what_is_their_guilds_alone() -> None:
    assert may_change(RULES, "team", MEMBER, served=2)
    assert may_change(RULES, "staff", MEMBER, served=2)
    assert not may_change(RULES, "team", STRANGER, served=2)
    assert not may_change(RULES, "ben", MEMBER, served=1)
    assert not may_change(RULES, "shut", MEMBER, served=1)
    assert not may_change(RULES, "unheard of", MEMBER, served=1)
    both = {"both": Rule(guilds=frozenset({GUILD, OTHER_GUILD}))}
    assert not may_change(both, "both", MEMBER, served=2)


def test_the_shared_documents_are_an_admins_only_where_no_other_guild_shares_them() -> None:
    assert may_change(RULES, SHARED, MEMBER, served=1)
    assert not may_change(RULES, SHARED, MEMBER, served=2)
    assert may_change(RULES, SHARED, Person(BEN, is_operator=True), served=2)
