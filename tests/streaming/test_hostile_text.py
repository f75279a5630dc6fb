"""The mixes that properties are tried on: the same again, of every kind, and readable by the judge."""

from __future__ import annotations

from tests.reference_markdown import possible_links, readings
from tests.streaming.hostile_text import FOREIGN_HOST, FRAGMENTS, cut, hostile_text, hostile_texts


def test_a_number_stands_for_one_mix() -> None:
    assert hostile_text(7) == hostile_text(7)
    assert len({text for _, text in hostile_texts(500)}) > 450


def test_every_kind_of_fragment_occurs() -> None:
    everything = "".join(text for _, text in hostile_texts(2000))
    assert all(fragment in everything for fragments in FRAGMENTS.values() for fragment in fragments)


def test_cuts_lose_nothing() -> None:
    for number, text in hostile_texts(50):
        pieces = cut(text, number)
        assert "".join(pieces) == text
        assert all(pieces)


def test_hostile_mixes_are_read_in_every_reading() -> None:
    assert all(len(readings(text)) > 1 for _, text in hostile_texts(200))


def test_many_mixes_would_be_dangerous_if_they_were_sent_as_they_are() -> None:
    dangerous = [
        text for _, text in hostile_texts(300) if any(FOREIGN_HOST in link.url for link in possible_links(text))
    ]
    assert len(dangerous) > 60
