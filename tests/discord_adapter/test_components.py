"""One grammar of custom ids, and one way from a component to its cog."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.discord_adapter.components import CustomId, parse_custom_id
from bot.discord_adapter.deduplication import EventDeduplicator

NAMES = st.from_regex(r"[a-z]{1,20}", fullmatch=True)


@given(NAMES, NAMES, st.text(max_size=50))
def test_custom_id_is_parsed_back_whatever_its_argument(family: str, action: str, argument: str) -> None:
    custom_id = CustomId(family, action, argument)
    assert parse_custom_id(str(custom_id)) == custom_id
    assert len(str(custom_id)) <= 100


@given(st.text(max_size=120))
def test_text_that_is_no_custom_id_is_none_or_means_exactly_itself(text: str) -> None:
    parsed = parse_custom_id(text)
    assert parsed is None or str(parsed) == text


def test_event_is_first_once_and_forgotten_only_after_a_thousand_others() -> None:
    events = EventDeduplicator()
    assert events.is_first(1)
    assert not events.is_first(1)
    assert all(events.is_first(number) for number in range(2, 1_001))
    assert not events.is_first(1)
    assert events.is_first(1_001)
    assert events.is_first(1)
