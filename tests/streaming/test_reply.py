"""One answer as it appears: what is due when, in numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.streaming import WORDLESS, WRITING, Closing, Edit, Extent, Pace, Post, Reply, Urgency
from bot.streaming.markdown.convert import rewritten
from bot.streaming.markdown.links import defused
from bot.streaming.paging import Pager, paginate, width
from tests.fakes.scripted_source import said_on

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


class Reader:
    """Performs what is due, at once, and remembers every state that was visible."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.pages: list[str] = []
        self.states: list[tuple[str, ...]] = []
        self.actions: list[Post | Edit] = []

    def look(self, now: float) -> Post | Edit | None:
        action = self.reply.due(now)
        if action is None:
            return None
        self.reply.begun(action, now)
        if isinstance(action, Post):
            self.pages.append(action.text)
        else:
            self.pages[action.page] = action.text
        self.states.append(tuple(self.pages))
        self.actions.append(action)
        self.reply.performed(action)
        return action

    def look_until_nothing_is_due(self, now: float) -> None:
        while self.look(now):
            pass


def opened(pace: Pace | None = None, page_limit: int = 2_000, pages: int = 5) -> tuple[Reply, Reader]:
    """A reply whose status line has been posted at 0.0 s."""
    reply = Reply(status="Searching…", now=0.0, pace=pace, extent=Extent(page_limit, pages))
    reader = Reader(reply)
    reader.look(0.0)
    return reply, reader


def test_the_status_line_is_posted_at_once() -> None:
    assert Reply(status="Searching…", now=3.0).due(3.0) == Post("Searching…")


def test_a_waiting_status_line_counts_the_seconds_every_two_then_every_five() -> None:
    reply, reader = opened()
    seen: list[tuple[float, str]] = []
    now = 0.0
    while now < 20.0:
        now = reply.wake_at(now) or 99.0
        action = reader.look(now)
        assert isinstance(action, Edit)
        seen.append((now, action.text))
    assert seen == [
        *((float(second), f"Searching… {second} s") for second in (2, 4, 6, 8, 10, 15, 20)),
    ]


def test_another_status_line_waits_until_the_first_has_stood_a_second() -> None:
    reply, _ = opened()
    reply.announce("Reading handbook.md …", 0.3)
    assert reply.due(0.9) is None
    assert reply.wake_at(0.3) == 1.0
    assert reply.due(1.0) == Edit(0, "Reading handbook.md …")
    assert reply.urgency() is Urgency.STATUS


def test_first_words_go_at_once_when_a_word_has_ended() -> None:
    reply, _ = opened()
    reply.receive("Refunds take", 0.2)
    assert reply.due(0.2) is None
    reply.receive(" four", 0.21)
    assert reply.due(0.21) == Edit(0, f"Refunds take four{WRITING}")
    assert reply.urgency() is Urgency.FIRST_WORDS


def test_first_words_do_not_wait_long_for_a_words_end() -> None:
    reply, _ = opened()
    reply.receive("返", 0.2)
    assert reply.wake_at(0.2) == pytest.approx(0.35)
    assert reply.due(0.35) == Edit(0, f"返{WRITING}")


def test_text_follows_after_the_shortest_interval_and_not_before() -> None:
    reply, reader = opened(Pace(shortest=0.4))
    reply.receive("Refunds take ", 1.0)
    assert reader.look(1.0)
    reply.receive("four days ", 1.1)
    assert reply.due(1.39) is None
    assert reply.wake_at(1.1) == 1.4
    assert reply.due(1.4) == Edit(0, f"Refunds take four days{WRITING}")
    assert reply.urgency() is Urgency.TEXT
    assert reply.staleness(1.4) == pytest.approx(0.3)


def test_white_space_alone_changes_nothing_visible_so_nothing_is_due() -> None:
    reply, reader = opened()
    reply.receive("Refunds take ", 1.0)
    reader.look(1.0)
    reply.receive(" \n", 1.1)
    assert reply.due(3.0) is None


def test_white_space_before_the_first_word_leaves_the_status_line() -> None:
    reply, _ = opened()
    reply.receive("\n\n", 0.1)
    assert reply.due(0.9) is None
    assert reply.due(2.0) == Edit(0, "Searching… 2 s")


def test_only_one_action_is_under_way_and_the_newest_text_follows_it() -> None:
    reply, _ = opened()
    reply.receive("Refunds take ", 1.0)
    first = reply.due(1.0)
    assert first
    reply.begun(first, 1.0)
    reply.receive("four ", 1.2)
    reply.receive("days ", 1.6)
    assert reply.due(2.0) is None
    assert reply.wake_at(2.0) is None
    reply.performed(first)
    assert reply.staleness(2.0) == pytest.approx(0.8)
    assert reply.due(2.0) == Edit(0, f"Refunds take four days{WRITING}")


def test_a_failed_action_is_due_again_later_with_the_newest_text() -> None:
    reply, _ = opened()
    reply.receive("Refunds take ", 1.0)
    first = reply.due(1.0)
    assert first
    reply.begun(first, 1.0)
    reply.receive("four days ", 1.1)
    reply.failed(3.0)
    assert reply.due(2.9) is None
    assert reply.wake_at(1.2) == 3.0
    assert reply.due(3.0) == Edit(0, f"Refunds take four days{WRITING}")
    assert reply.urgency() is Urgency.FIRST_WORDS


def test_a_silent_model_is_announced_below_the_text_and_the_note_goes_when_text_comes() -> None:
    reply, reader = opened()
    reply.receive("Refunds take ", 1.0)
    reader.look(1.0)
    assert reply.wake_at(1.5) == 6.0
    assert reader.look(6.0) == Edit(0, "Refunds take\n-# still waiting for the model, 5 s")
    assert reply.wake_at(6.5) == 11.0
    assert reader.look(11.0) == Edit(0, "Refunds take\n-# still waiting for the model, 10 s")
    reply.receive("four days ", 11.5)
    assert reader.look(11.5) == Edit(0, f"Refunds take four days{WRITING}")


@pytest.mark.parametrize("happens", ["text", "page", "end", "gives up"])
def test_a_silence_that_was_announced_leaves_no_trace(happens: str) -> None:
    reply, reader = opened(page_limit=100)
    reply.receive("Refunds take ", 1.0)
    reader.look(1.0)
    reader.look(13.0)
    assert "still waiting for the model, 10 s" in reader.pages[0]
    if happens == "gives up":
        reply.give_up("-# Sorry.", 14.0)
    else:
        reply.receive({"text": "four days.", "page": "four days. " * 20}.get(happens, ""), 13.5)
        reader.look_until_nothing_is_due(14.0)
        reply.finish(Closing(), 15.0)
    reader.look_until_nothing_is_due(16.0)
    assert reply.is_complete
    assert not [page for page in reader.pages if "waiting" in page or WRITING.strip() in page]


class CountingPager(Pager):
    """Counts the characters that it takes in or looks at to render a page."""

    looked_at = 0

    def feed(self, delta: str) -> None:
        CountingPager.looked_at += len(delta)
        super().feed(delta)

    def open_page_with(self, tail: str) -> str:
        CountingPager.looked_at += len(self._rest) + len(tail)
        return super().open_page_with(tail)

    @property
    def open_page(self) -> str:
        CountingPager.looked_at += len(self._rest)
        return super().open_page


SECTION = (
    "## Deadlines\n\n"
    + "Refunds are **paid** within fourteen days, see https://wiki.example/a [1], of the day. " * 6
    + "\n\n- one `code` item\n- another\n\n| who | when |\n|---|---|\n| Ada | today |\n\n```sh\n"
    + "make refund\n" * 9
    + "```\n\n"
)


def costs(length: int, pages: int) -> list[tuple[int, int]]:
    """For each delta of an answer so long, taken in and shown: the characters looked at, and the functions called."""
    text = (SECTION * (length // len(SECTION) + 1))[:length]
    reply, reader = opened(pages=pages)
    found: list[tuple[int, int]] = []
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    for number, start in enumerate(range(0, length, 40), 1):
        CountingPager.looked_at = calls = 0
        sys.setprofile(count)
        reply.receive(text[start : start + 40], float(number))
        reply.wake_at(float(number))
        reader.look(float(number))
        sys.setprofile(None)
        found.append((CountingPager.looked_at, calls))
    return found


@pytest.mark.parametrize("pages", [5, 50])
def test_what_an_edit_costs_does_not_grow_with_the_answer(pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.streaming.reply.Pager", CountingPager)
    short, long = costs(2_000, pages), costs(40_000, pages)
    # The open page is rendered a few times for each delta, nothing before it ever again.
    assert max(characters for characters, _ in long) <= 5 * 2_000
    late = long[len(long) // 2 :]
    for part in (0, 1):
        assert max(cost[part] for cost in late) <= 1.1 * max(cost[part] for cost in long[: 3 * len(short)])
        assert sum(cost[part] for cost in late) / len(late) <= 1.5 * sum(cost[part] for cost in short) / len(short)


def test_the_mark_stands_below_a_code_block_not_in_its_fence() -> None:
    reply, reader = opened()
    reply.receive("Run this:\n```sh\nmake all\n", 1.0)
    reader.look(1.0)
    page = reader.pages[0]
    assert page.endswith(f"\n```\n{WRITING.strip()}")


def test_the_end_is_the_exact_text_and_the_closing_words() -> None:
    reply, reader = opened()
    reply.receive("Refunds take four days [1]", 1.0)
    reply.finish(Closing(note="-# interrupted", footer="[1] Handbook"), 1.01)
    assert reply.urgency() is Urgency.FINAL
    assert reader.look(1.01) == Edit(
        0, "Refunds take four days [1]\n\n-# interrupted\n\n[1] Handbook", is_sealed=True, is_last=True
    )
    assert reply.is_complete
    assert reply.wake_at(1.01) is None


def test_closing_words_that_do_not_fit_get_a_page_of_their_own() -> None:
    reply, reader = opened(page_limit=60)
    reply.receive("Refunds take four days, counted from the day we", 1.0)
    reply.finish(Closing(footer="[1] Handbook, Refunds"), 1.0)
    reader.look_until_nothing_is_due(1.0)
    assert reader.pages == ["Refunds take four days, counted from the day we", "[1] Handbook, Refunds"]
    assert reply.is_complete


def test_an_answer_without_a_word_shows_its_closing_words_instead_of_the_status_line() -> None:
    reply, reader = opened()
    reply.finish(Closing(note="-# the model is busy"), 2.0)
    assert reader.look(2.0) == Edit(0, "-# the model is busy", is_sealed=True, is_last=True)


def test_an_answer_without_any_words_at_all_is_not_left_as_searching() -> None:
    reply, reader = opened()
    reply.finish(Closing(), 2.0)
    assert reader.look(2.0) == Edit(0, WORDLESS, is_sealed=True, is_last=True)


def test_a_sealed_page_is_finished_before_the_next_is_posted() -> None:
    reply, reader = opened(page_limit=60)
    reply.receive("one two three four ", 1.0)
    reader.look(1.0)
    reply.receive("five six seven eight nine ten eleven twelve thirteen fourteen\n\n", 1.5)
    first, second = reader.look(1.5), reader.look(1.5)
    assert isinstance(first, Edit)
    assert isinstance(second, Post)
    assert WRITING not in first.text
    assert second.text.endswith(WRITING)


def test_the_last_action_says_so_and_no_other_does() -> None:
    reply, reader = opened(page_limit=60)
    reply.receive("one two three four five six seven eight nine ten eleven twelve thirteen fourteen", 1.0)
    reader.look_until_nothing_is_due(1.0)
    reply.finish(Closing(footer="[1] Handbook, on the refunds that are paid to customers"), 2.0)
    reader.look_until_nothing_is_due(2.0)
    assert len(reader.pages) == 3
    assert [action.is_last for action in reader.actions] == [*[False] * (len(reader.actions) - 1), True]
    assert [action.is_sealed for action in reader.actions[-2:]] == [True, True]


def test_a_page_that_is_full_to_the_brim_is_sealed_by_an_action_of_its_own() -> None:
    # No mark of ours fits below it, so it looks finished before it is: what can be pressed there must still go.
    reply, reader = opened(page_limit=24)
    reply.receive("```\nabcdefghijklmnop", 1.0)
    reader.look_until_nothing_is_due(1.2)
    assert reader.pages == ["```\nabcdefghijklmnop\n```"]
    reply.finish(Closing(), 1.2)
    assert reader.look(1.2) == Edit(0, "```\nabcdefghijklmnop\n```", is_sealed=True, is_last=True)
    assert reply.is_complete


LONG = "".join(f"word{number} " for number in range(60))


def test_beyond_the_extent_the_rest_comes_as_a_file_with_the_whole_answer() -> None:
    reply, reader = opened(page_limit=120, pages=2)
    reply.receive(LONG, 1.0)
    reader.look_until_nothing_is_due(1.0)
    assert reader.pages[:2] == paginate(LONG, 120)[:2]
    assert reader.pages[2].startswith("-# The answer goes on.")
    assert reader.pages[2].endswith(WRITING)
    reply.finish(Closing(footer="[1] Handbook"), 2.0)
    last = reader.look(2.0)
    rest = sum(map(len, paginate(LONG, 120)[2:]))
    assert last == Edit(
        2, f"-# {rest} characters more: the whole answer is in answer.md.\n\n[1] Handbook", True, True, LONG
    )
    assert reply.is_complete


def test_no_word_beyond_the_extent_is_shown_not_even_one_that_is_held_back() -> None:
    reply, reader = opened(page_limit=120, pages=1)
    for number, start in enumerate(range(0, len(LONG), 3)):
        reply.receive(LONG[start : start + 3], 1.0 + number / 10)
        reader.look_until_nothing_is_due(1.0 + number / 10)
    assert all(state[1].startswith("-# The answer goes on.") for state in reader.states if len(state) > 1)
    assert len(reader.pages) == 2


def test_an_answer_that_just_fits_its_extent_needs_no_file() -> None:
    reply, reader = opened(page_limit=120, pages=2)
    reply.receive(" ".join(paginate(LONG, 120)[:2]), 1.0)
    reply.finish(Closing(), 1.0)
    reader.look_until_nothing_is_due(1.0)
    assert reader.pages == paginate(LONG, 120)[:2]
    assert not any(action.attached for action in reader.actions)


def test_where_no_file_may_be_attached_the_rest_is_posted_in_further_pages() -> None:
    reply, reader = opened(page_limit=120, pages=2)
    reply.receive(LONG, 1.0)
    reader.look_until_nothing_is_due(1.0)
    reply.finish(Closing(), 2.0)
    refused = reply.due(2.0)
    assert refused
    assert refused.attached
    reply.begun(refused, 2.0)
    reply.failed(2.1)
    reply.attach_nothing(2.1)
    reader.look_until_nothing_is_due(2.1)
    assert reader.pages == paginate(LONG, 120)
    assert reader.actions[-1].is_last
    assert not any(action.attached for action in reader.actions)
    assert reply.is_complete


@pytest.mark.parametrize(
    ("said", "shown"),
    [("", "-# a fault"), ("Refunds take four", "Refunds take four\n\n-# a fault"), ("x" * 59, "x" * 40 + "-# a fault")],
)
def test_given_up_it_keeps_what_is_visible_and_adds_the_note(said: str, shown: str) -> None:
    reply, reader = opened(page_limit=44)
    reply.receive(said, 1.0)
    reader.look_until_nothing_is_due(1.2)
    reply.give_up("-# a fault", 1.3)
    reader.look_until_nothing_is_due(1.3)
    assert reply.is_complete
    assert reader.actions[-1].is_last
    assert "".join(reader.pages).startswith(shown[:40])
    assert reader.pages[-1].endswith("-# a fault")
    assert WRITING.strip() not in "".join(reader.pages)


def test_links_are_known_before_the_text() -> None:
    reply, _ = opened()
    reply.announce("Reading …", 0.1, links={"https://example.org/"})
    reply.receive("See", 0.2)
    with pytest.raises(RuntimeError, match="before the first of it"):
        reply.announce("Reading …", 0.3, links=set())


class Louder:
    """Holds back what may become a word, and shouts it."""

    def __init__(self) -> None:
        self._tail = ""

    def feed(self, delta: str) -> str:
        words, space, self._tail = (self._tail + delta).rpartition(" ")
        return (words + space).upper()

    def flush(self) -> str:
        return self._tail.upper()


def test_a_rewriting_is_done_to_the_text_and_not_to_the_file() -> None:
    reply, reader = opened(page_limit=120, pages=1)
    reply.announce("Reading …", 0.1, rewriting=Louder())
    for start in range(0, len(LONG), 7):
        reply.receive(LONG[start : start + 7], 0.2)
    reply.receive("end", 0.2)
    reply.finish(Closing(), 0.3)
    reader.look_until_nothing_is_due(1.0)
    assert reader.pages[0] == paginate(f"{LONG}end".upper(), 120)[0]
    assert reader.actions[-1].attached == f"{LONG}end"


def test_text_after_the_end_is_refused() -> None:
    reply, _ = opened()
    reply.finish(Closing(), 1.0)
    with pytest.raises(RuntimeError):
        reply.receive("more", 1.1)
    with pytest.raises(RuntimeError):
        reply.finish(Closing(), 1.1)


_WORDS = st.sampled_from(
    ["word", " ", "\n", "\n\n", "- item ", "```", "```py\n", "`", "**", "# ", "é", "𝄞", "漢字", ". "]
)
_DELTAS = st.lists(st.one_of(st.lists(_WORDS, max_size=6).map("".join), st.text(max_size=8)), max_size=30)


@given(
    deltas=_DELTAS,
    pauses=st.lists(st.floats(0.0, 7.0), min_size=30, max_size=30),
    extent=st.sampled_from([Extent(24, 99), Extent(40, 99), Extent(120, 1), Extent(120, 2), Extent(2_000, 5)]),
    note=st.sampled_from(["", "-# stopped by Ada"]),
)
def test_whatever_comes_every_state_is_postable_and_the_last_one_is_the_text(
    deltas: Sequence[str], pauses: Sequence[float], extent: Extent, note: str
) -> None:
    limit, pages = extent.page, extent.pages
    closing = Closing(note=note, footer="[1] Handbook")
    reply, reader = opened(page_limit=limit, pages=pages)
    now = 0.0
    for delta, pause in zip(deltas, pauses, strict=False):
        now += pause
        reader.look_until_nothing_is_due(now)
        reply.receive(delta, now)
        assert reply.wake_at(now) is not None
    reply.finish(closing, now)
    reader.look_until_nothing_is_due(now)

    assert reply.is_complete
    assert all(page.strip() and width(page) <= limit for state in reader.states for page in state)
    assert [action.is_last for action in reader.actions] == [*[False] * (len(reader.actions) - 1), True]
    assert all(
        before != after or action.is_sealed
        for before, after, action in zip(reader.states, reader.states[1:], reader.actions[1:], strict=False)
    )
    whole = [page.strip() for page in paginate(defused(rewritten("".join(deltas))), limit)]
    if len(whole) > pages:
        assert reader.actions[-1].attached == "".join(deltas)
        assert [page.strip() for page in reader.pages[:pages]] == whole[:pages]
    else:
        assert not reader.actions[-1].attached
        assert said_on(reader.pages, closing) == whole
