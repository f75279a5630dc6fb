"""One answer as it appears: what is due when, in numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.streaming import EMPTY_ANSWER, WRITING_CURSOR, Closing, Edit, Pace, PageLimits, Post, Reply, Urgency
from bot.streaming.markdown.convert import DiscordMarkdownConverter
from bot.streaming.paging import Pager, paginate
from bot.text.wording import utf16_length
from tests.fakes.scripted_source import strip_closing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


class ReplyPerformer:
    """Performs what is due, at once, and remembers every state that was visible."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.pages: list[str] = []
        self.states: list[tuple[str, ...]] = []
        self.actions: list[Post | Edit] = []

    def perform_next_action(self, now: float) -> Post | Edit | None:
        action = self.reply.next_action(now)
        if action is None:
            return None
        self.reply.action_started(action, now)
        if isinstance(action, Post):
            self.pages.append(action.text)
        else:
            self.pages[action.page] = action.text
        self.states.append(tuple(self.pages))
        self.actions.append(action)
        self.reply.action_succeeded(action)
        return action

    def perform_all_actions(self, now: float) -> None:
        while self.perform_next_action(now):
            pass


def start_reply(pace: Pace | None = None, page_limit: int = 2_000, pages: int = 5) -> tuple[Reply, ReplyPerformer]:
    """A reply whose status line has been posted at 0.0 s."""
    reply = Reply(status="Searching…", now=0.0, pace=pace, page_limits=PageLimits(page_limit, pages))
    reader = ReplyPerformer(reply)
    reader.perform_next_action(0.0)
    return reply, reader


def test_the_status_line_is_posted_at_once() -> None:
    assert Reply(status="Searching…", now=3.0).next_action(3.0) == Post("Searching…")


def test_a_waiting_status_line_counts_the_seconds_every_two_then_every_five() -> None:
    reply, reader = start_reply()
    seen: list[tuple[float, str]] = []
    now = 0.0
    while now < 20.0:
        now = reply.wake_at(now) or 99.0
        action = reader.perform_next_action(now)
        assert isinstance(action, Edit)
        seen.append((now, action.text))
    assert seen == [
        *((float(second), f"Searching… {second} s") for second in (2, 4, 6, 8, 10, 15, 20)),
    ]


def test_second_status_line_waits_until_the_first_was_visible_for_a_second() -> None:
    reply, _ = start_reply()
    reply.announce("Reading handbook.md …", 0.3)
    assert reply.next_action(0.9) is None
    assert reply.wake_at(0.3) == 1.0
    assert reply.next_action(1.0) == Edit(0, "Reading handbook.md …")
    assert reply.get_urgency() is Urgency.STATUS


def test_first_words_go_at_once_when_a_word_has_ended() -> None:
    reply, _ = start_reply()
    reply.receive("Refunds take", 0.2)
    assert reply.next_action(0.2) is None
    reply.receive(" four", 0.21)
    assert reply.next_action(0.21) == Edit(0, f"Refunds take four{WRITING_CURSOR}")
    assert reply.get_urgency() is Urgency.FIRST_WORDS


def test_first_words_do_not_wait_long_for_a_words_end() -> None:
    reply, _ = start_reply()
    reply.receive("返", 0.2)
    assert reply.wake_at(0.2) == pytest.approx(0.35)
    assert reply.next_action(0.35) == Edit(0, f"返{WRITING_CURSOR}")


def test_text_follows_after_the_shortest_interval_and_not_before() -> None:
    reply, reader = start_reply(Pace(min_interval=0.4))
    reply.receive("Refunds take ", 1.0)
    assert reader.perform_next_action(1.0)
    reply.receive("four days ", 1.1)
    assert reply.next_action(1.39) is None
    assert reply.wake_at(1.1) == 1.4
    assert reply.next_action(1.4) == Edit(0, f"Refunds take four days{WRITING_CURSOR}")
    assert reply.get_urgency() is Urgency.TEXT
    assert reply.get_staleness(1.4) == pytest.approx(0.3)


def test_white_space_alone_changes_nothing_visible_so_nothing_is_due() -> None:
    reply, reader = start_reply()
    reply.receive("Refunds take ", 1.0)
    reader.perform_next_action(1.0)
    reply.receive(" \n", 1.1)
    assert reply.next_action(3.0) is None


def test_white_space_before_the_first_word_leaves_the_status_line() -> None:
    reply, _ = start_reply()
    reply.receive("\n\n", 0.1)
    assert reply.next_action(0.9) is None
    assert reply.next_action(2.0) == Edit(0, "Searching… 2 s")


def test_only_one_action_is_under_way_and_the_newest_text_follows_it() -> None:
    reply, _ = start_reply()
    reply.receive("Refunds take ", 1.0)
    first = reply.next_action(1.0)
    assert first
    reply.action_started(first, 1.0)
    reply.receive("four ", 1.2)
    reply.receive("days ", 1.6)
    assert reply.next_action(2.0) is None
    assert reply.wake_at(2.0) is None
    reply.action_succeeded(first)
    assert reply.get_staleness(2.0) == pytest.approx(0.8)
    assert reply.next_action(2.0) == Edit(0, f"Refunds take four days{WRITING_CURSOR}")


def test_a_failed_action_is_due_again_later_with_the_newest_text() -> None:
    reply, _ = start_reply()
    reply.receive("Refunds take ", 1.0)
    first = reply.next_action(1.0)
    assert first
    reply.action_started(first, 1.0)
    reply.receive("four days ", 1.1)
    reply.action_failed(3.0)
    assert reply.next_action(2.9) is None
    assert reply.wake_at(1.2) == 3.0
    assert reply.next_action(3.0) == Edit(0, f"Refunds take four days{WRITING_CURSOR}")
    assert reply.get_urgency() is Urgency.FIRST_WORDS


def test_a_silent_model_is_announced_below_the_text_and_the_note_goes_when_text_comes() -> None:
    reply, reader = start_reply()
    reply.receive("Refunds take ", 1.0)
    reader.perform_next_action(1.0)
    assert reply.wake_at(1.5) == 6.0
    assert reader.perform_next_action(6.0) == Edit(0, "Refunds take\n-# still waiting for the model, 5 s")
    assert reply.wake_at(6.5) == 11.0
    assert reader.perform_next_action(11.0) == Edit(0, "Refunds take\n-# still waiting for the model, 10 s")
    reply.receive("four days ", 11.5)
    assert reader.perform_next_action(11.5) == Edit(0, f"Refunds take four days{WRITING_CURSOR}")


@pytest.mark.parametrize("happens", ["text", "page", "end", "gives up"])
def test_announced_silence_leaves_no_trace_in_the_final_text(happens: str) -> None:
    reply, reader = start_reply(page_limit=100)
    reply.receive("Refunds take ", 1.0)
    reader.perform_next_action(1.0)
    reader.perform_next_action(13.0)
    assert "still waiting for the model, 10 s" in reader.pages[0]
    if happens == "gives up":
        reply.give_up("-# Sorry.", 14.0)
    else:
        reply.receive({"text": "four days.", "page": "four days. " * 20}.get(happens, ""), 13.5)
        reader.perform_all_actions(14.0)
        reply.finish(Closing(), 15.0)
    reader.perform_all_actions(16.0)
    assert reply.is_complete
    assert not [page for page in reader.pages if "waiting" in page or WRITING_CURSOR.strip() in page]


class CountingPager(Pager):
    """Counts the characters that it takes in or looks at to render a page."""

    looked_at = 0

    def feed(self, delta: str) -> None:
        CountingPager.looked_at += len(delta)
        super().feed(delta)

    def open_page_with(self, tail: str) -> str:
        CountingPager.looked_at += len(self._open_text) + len(tail)
        return super().open_page_with(tail)

    @property
    def open_page(self) -> str:
        CountingPager.looked_at += len(self._open_text)
        return super().open_page


SECTION = (
    "## Deadlines\n\n"
    + "Refunds are **paid** within fourteen days, see https://wiki.example/a [1], of the day. " * 6
    + "\n\n- one `code` item\n- another\n\n| who | when |\n|---|---|\n| Ada | today |\n\n```sh\n"
    + "make refund\n" * 9
    + "```\n\n"
)


def measure_costs(length: int, pages: int) -> list[tuple[int, int]]:
    """For each delta of an answer so long, taken in and shown: the characters looked at, and the functions called."""
    text = (SECTION * (length // len(SECTION) + 1))[:length]
    reply, reader = start_reply(pages=pages)
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
        reader.perform_next_action(float(number))
        sys.setprofile(None)
        found.append((CountingPager.looked_at, calls))
    return found


@pytest.mark.parametrize("pages", [5, 50])
def test_cost_of_an_edit_does_not_grow_with_the_answer(pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.streaming.reply.Pager", CountingPager)
    short, long = measure_costs(2_000, pages), measure_costs(40_000, pages)
    # The open page is rendered a few times for each delta, nothing before it ever again.
    assert max(characters for characters, _ in long) <= 5 * 2_000
    late = long[len(long) // 2 :]
    for part in (0, 1):
        assert max(cost[part] for cost in late) <= 1.1 * max(cost[part] for cost in long[: 3 * len(short)])
        assert sum(cost[part] for cost in late) / len(late) <= 1.5 * sum(cost[part] for cost in short) / len(short)


def test_progress_mark_is_below_a_code_block_not_inside() -> None:
    reply, reader = start_reply()
    reply.receive("Run this:\n```sh\nmake all\n", 1.0)
    reader.perform_next_action(1.0)
    page = reader.pages[0]
    assert page.endswith(f"\n```\n{WRITING_CURSOR.strip()}")


def test_final_state_is_the_exact_text_and_the_footer() -> None:
    reply, reader = start_reply()
    reply.receive("Refunds take four days [1]", 1.0)
    reply.finish(Closing(note="-# interrupted", footer="[1] Handbook"), 1.01)
    assert reply.get_urgency() is Urgency.FINAL
    assert reader.perform_next_action(1.01) == Edit(
        0, "Refunds take four days [1]\n\n-# interrupted\n\n[1] Handbook", is_sealed=True, is_last=True
    )
    assert reply.is_complete
    assert reply.wake_at(1.01) is None


def test_footer_that_does_not_fit_gets_its_own_page() -> None:
    reply, reader = start_reply(page_limit=60)
    reply.receive("Refunds take four days, counted from the day we", 1.0)
    reply.finish(Closing(footer="[1] Handbook, Refunds"), 1.0)
    reader.perform_all_actions(1.0)
    assert reader.pages == ["Refunds take four days, counted from the day we", "[1] Handbook, Refunds"]
    assert reply.is_complete


def test_empty_answer_shows_its_footer_instead_of_the_status_line() -> None:
    reply, reader = start_reply()
    reply.finish(Closing(note="-# the model is busy"), 2.0)
    assert reader.perform_next_action(2.0) == Edit(0, "-# the model is busy", is_sealed=True, is_last=True)


def test_empty_answer_without_footer_does_not_stay_as_searching() -> None:
    reply, reader = start_reply()
    reply.finish(Closing(), 2.0)
    assert reader.perform_next_action(2.0) == Edit(0, EMPTY_ANSWER, is_sealed=True, is_last=True)


def test_a_sealed_page_is_finished_before_the_next_is_posted() -> None:
    reply, reader = start_reply(page_limit=60)
    reply.receive("one two three four ", 1.0)
    reader.perform_next_action(1.0)
    reply.receive("five six seven eight nine ten eleven twelve thirteen fourteen\n\n", 1.5)
    first, second = reader.perform_next_action(1.5), reader.perform_next_action(1.5)
    assert isinstance(first, Edit)
    assert isinstance(second, Post)
    assert WRITING_CURSOR not in first.text
    assert second.text.endswith(WRITING_CURSOR)


def test_only_the_last_action_is_marked_as_last() -> None:
    reply, reader = start_reply(page_limit=60)
    reply.receive("one two three four five six seven eight nine ten eleven twelve thirteen fourteen", 1.0)
    reader.perform_all_actions(1.0)
    reply.finish(Closing(footer="[1] Handbook, on the refunds that are paid to customers"), 2.0)
    reader.perform_all_actions(2.0)
    assert len(reader.pages) == 3
    assert [action.is_last for action in reader.actions] == [*[False] * (len(reader.actions) - 1), True]
    assert [action.is_sealed for action in reader.actions[-2:]] == [True, True]


def test_a_page_that_is_full_to_the_brim_is_sealed_by_an_action_of_its_own() -> None:
    # No mark of ours fits below it, so it looks finished before it is: what can be pressed there must still go.
    reply, reader = start_reply(page_limit=24)
    reply.receive("> ```\n> abcdefghij", 1.0)
    reader.perform_all_actions(1.2)
    assert reader.pages == ["> ```\n> abcdefghij\n> ```"]
    reply.finish(Closing(), 1.2)
    assert reader.perform_next_action(1.2) == Edit(0, "> ```\n> abcdefghij\n> ```", is_sealed=True, is_last=True)
    assert reply.is_complete


LONG = "".join(f"word{number} " for number in range(60))


def test_answer_over_its_page_limit_ends_with_a_file_of_the_whole_text() -> None:
    reply, reader = start_reply(page_limit=120, pages=2)
    reply.receive(LONG, 1.0)
    reader.perform_all_actions(1.0)
    assert reader.pages[:2] == paginate(LONG, 120)[:2]
    assert reader.pages[2].startswith("-# The answer goes on.")
    assert reader.pages[2].endswith(WRITING_CURSOR)
    reply.finish(Closing(footer="[1] Handbook"), 2.0)
    last = reader.perform_next_action(2.0)
    rest = sum(map(len, paginate(LONG, 120)[2:]))
    assert last == Edit(
        2, f"-# {rest} characters more: the whole answer is in answer.md.\n\n[1] Handbook", True, True, LONG
    )
    assert reply.is_complete


def test_text_over_the_page_limit_is_never_shown() -> None:
    reply, reader = start_reply(page_limit=120, pages=1)
    for number, start in enumerate(range(0, len(LONG), 3)):
        reply.receive(LONG[start : start + 3], 1.0 + number / 10)
        reader.perform_all_actions(1.0 + number / 10)
    assert all(state[1].startswith("-# The answer goes on.") for state in reader.states if len(state) > 1)
    assert len(reader.pages) == 2


def test_answer_that_just_fits_its_page_limit_needs_no_file() -> None:
    reply, reader = start_reply(page_limit=120, pages=2)
    reply.receive(" ".join(paginate(LONG, 120)[:2]), 1.0)
    reply.finish(Closing(), 1.0)
    reader.perform_all_actions(1.0)
    assert reader.pages == paginate(LONG, 120)[:2]
    assert not any(action.attachment_text for action in reader.actions)


def test_answer_over_its_page_limit_continues_in_pages_without_attach_files() -> None:
    reply, reader = start_reply(page_limit=120, pages=2)
    reply.receive(LONG, 1.0)
    reader.perform_all_actions(1.0)
    reply.finish(Closing(), 2.0)
    refused = reply.next_action(2.0)
    assert refused
    assert refused.attachment_text
    reply.action_started(refused, 2.0)
    reply.action_failed(2.1)
    reply.disable_attachment(2.1)
    reader.perform_all_actions(2.1)
    assert reader.pages == paginate(LONG, 120)
    assert reader.actions[-1].is_last
    assert not any(action.attachment_text for action in reader.actions)
    assert reply.is_complete


@pytest.mark.parametrize(
    ("said", "shown"),
    [("", "-# a fault"), ("Refunds take four", "Refunds take four\n\n-# a fault"), ("x" * 59, "x" * 40 + "-# a fault")],
)
def test_aborted_reply_keeps_the_visible_text_and_adds_the_note(said: str, shown: str) -> None:
    reply, reader = start_reply(page_limit=46)
    reply.receive(said, 1.0)
    reader.perform_all_actions(1.2)
    reply.give_up("-# a fault", 1.3)
    reader.perform_all_actions(1.3)
    assert reply.is_complete
    assert reader.actions[-1].is_last
    assert "".join(reader.pages).startswith(shown[:40])
    assert reader.pages[-1].endswith("-# a fault")
    assert WRITING_CURSOR.strip() not in "".join(reader.pages)


def test_links_are_known_before_the_text() -> None:
    reply, _ = start_reply()
    reply.announce("Reading …", 0.1, allowed_urls={"https://example.org/"})
    reply.receive("See", 0.2)
    with pytest.raises(RuntimeError, match="before the first text"):
        reply.announce("Reading …", 0.3, allowed_urls=set())


class UppercaseFilter:
    """Holds back what may become a word, and shouts it."""

    def __init__(self) -> None:
        self._tail = ""

    def feed(self, delta: str) -> str:
        words, space, self._tail = (self._tail + delta).rpartition(" ")
        return (words + space).upper()

    def flush(self) -> str:
        return self._tail.upper()


def test_text_filter_applies_to_the_text_and_to_the_file() -> None:
    reply, reader = start_reply(page_limit=120, pages=1)
    reply.announce("Reading …", 0.1, text_filter=UppercaseFilter())
    for start in range(0, len(LONG), 7):
        reply.receive(LONG[start : start + 7], 0.2)
    reply.receive("end", 0.2)
    reply.finish(Closing(), 0.3)
    reader.perform_all_actions(1.0)
    assert reader.pages[0] == paginate(f"{LONG}end".upper(), 120)[0]
    assert reader.actions[-1].attachment_text == f"{LONG}end".upper()


def test_text_after_the_end_is_refused() -> None:
    reply, _ = start_reply()
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
    extent=st.sampled_from(
        [PageLimits(24, 99), PageLimits(40, 99), PageLimits(120, 1), PageLimits(120, 2), PageLimits(2_000, 5)]
    ),
    note=st.sampled_from(["", "-# stopped by Ada"]),
)
def test_every_state_can_be_posted_and_the_last_is_the_text(
    deltas: Sequence[str], pauses: Sequence[float], extent: PageLimits, note: str
) -> None:
    limit, pages = extent.page_length, extent.max_pages
    closing = Closing(note=note, footer="[1] Handbook")
    reply, reader = start_reply(page_limit=limit, pages=pages)
    now = 0.0
    for delta, pause in zip(deltas, pauses, strict=False):
        now += pause
        reader.perform_all_actions(now)
        reply.receive(delta, now)
        assert reply.wake_at(now) is not None
    reply.finish(closing, now)
    reader.perform_all_actions(now)

    assert reply.is_complete
    assert all(page.strip() and utf16_length(page) <= limit for state in reader.states for page in state)
    assert [action.is_last for action in reader.actions] == [*[False] * (len(reader.actions) - 1), True]
    assert all(
        before != after or action.is_sealed
        for before, after, action in zip(reader.states, reader.states[1:], reader.actions[1:], strict=False)
    )
    converter = DiscordMarkdownConverter(page_length=limit)
    converted = converter.feed("".join(deltas)) + converter.flush()
    whole = [page.strip() for page in paginate(converted, limit)]
    if len(whole) > pages:
        assert reader.actions[-1].attachment_text == "".join(deltas)
        assert [page.strip() for page in reader.pages[:pages]] == whole[:pages]
    else:
        assert not reader.actions[-1].attachment_text
        assert strip_closing(reader.pages, closing) == whole
