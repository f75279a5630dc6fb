"""Decides what one answer shows at which time: text and time in, the next post or edit out.

The first message is posted at once with a status line and becomes the answer. While the text grows, the page being
written ends in a cursor; a note below it says when the model sends nothing; at the end the message holds the exact text
and the closing words. Nothing here waits or sends: ``next_action`` says what to do, ``action_…`` takes the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.actions import ATTACHMENT_NAME, EMPTY_ANSWER, WRITING_CURSOR, Closing, Edit, Post, Urgency
from bot.streaming.markdown.convert import DiscordMarkdownConverter
from bot.streaming.paging import PAGE_LIMIT, Pager, paginate
from bot.text.wording import utf16_length

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bot.streaming.actions import TextFilter


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How much is posted: ``max_pages`` of text, ``page_length`` UTF-16 code units each; the rest comes as a file.

    Where no file may be attached, the rest is posted in further pages.
    """

    page_length: int = PAGE_LIMIT
    max_pages: int = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a reply changes, in seconds.

    ``min_interval``: between two edits of a message. ``first_words_wait``: how long first words wait for a word's end.
    ``status_dwell``: how
    long a status line is shown at least, because first text needs the edit more. ``tick``: how often it counts
    the seconds (slower after five ticks). ``stall``: the silence that is announced.
    """

    min_interval: float = 0.4
    first_words_wait: float = 0.15
    status_dwell: float = 1.0
    tick: float = 2.0
    stall: float = 5.0

    def round_to_tick(self, waited: float) -> int:
        """Return the whole seconds that a status line names after such a wait; 0 before the first tick."""
        step = self.tick if waited < 5 * self.tick else 2.5 * self.tick
        return int(waited // step * step)

    def next_tick(self, waited: float) -> float:
        """Return the length of wait at which the named seconds change next."""
        step = self.tick if waited < 5 * self.tick else 2.5 * self.tick
        return (waited // step + 1) * step

    def round_to_stall(self, waited: float) -> int:
        """Return the whole seconds of silence that are announced; 0 before the first stall."""
        return int(waited // self.stall * self.stall)

    def next_stall(self, waited: float) -> float:
        """Return the length of silence that is announced next."""
        return (waited // self.stall + 1) * self.stall


_FIRST_WORDS_LENGTH = 8
"""So many characters make first words."""
_LONGEST_WORD = 40
"""More characters than this are never gone from view while text moves from one message to the next."""
_LENGTH_STEP = 500
"""While the rest is being written, its length is shown in steps of so many characters."""


class Reply:
    """Decides what one answer shows. All times are seconds on one monotonic clock.

    One action is under way at a time: after ``action_started`` nothing is due until ``action_succeeded`` or
    ``action_failed`` is called. Text beyond the page limits is not posted: the last message says how much it
    is, and has the whole as a file.
    """

    def __init__(
        self,
        *,
        status: str,
        now: float,
        allowed_urls: Collection[str] = (),
        pace: Pace | None = None,
        page_limits: PageLimits | None = None,
    ) -> None:
        page_limits = page_limits or PageLimits()
        self._pace = pace or Pace()
        self._page_length = page_limits.page_length
        self._max_pages = page_limits.max_pages
        self._pager = Pager(page_limits.page_length)
        self._converter = DiscordMarkdownConverter(allowed_urls, page_limits.page_length)
        self._text_filter: TextFilter | None = None
        self._status = status
        self._started = self._last_activity_at = self._not_before = now
        self._received: list[str] = []
        self._first_delta_at = now
        self._final_pages: list[str] | None = None
        self._closing = Closing()
        self._may_attach = True
        self._shown_pages: list[str] = []
        self._final_page_count = 0  # so many pages are visible as they will stay
        self._stale_since: float | None = now
        self._arrived_during_action_at: float | None = None
        self._current_action: Post | Edit | None = None
        self._is_writing = False
        self._action_has_text = False
        self._shows_text = False
        self._last_action_at = float("-inf")

    @property
    def text(self) -> str:
        """The text so far in Discord's Markdown, without what may still become a link."""
        return self._pager.text

    @property
    def is_finished(self) -> bool:
        """Whether no more text comes."""
        return self._final_pages is not None

    @property
    def final_pages(self) -> list[str]:
        """The pages as they will stay; empty as long as text may come."""
        return list(self._final_pages or ())

    @property
    def is_complete(self) -> bool:
        """Whether everything is visible, closing words included."""
        return (
            self._final_pages is not None
            and self._current_action is None
            and self._final_page_count == len(self._final_pages)
        )

    def announce(
        self,
        status: str,
        now: float,
        *,
        allowed_urls: Collection[str] | None = None,
        citations: Mapping[int, str] | None = None,
        text_filter: TextFilter | None = None,
    ) -> None:
        """Show another status line while there is no text.

        Args:
            status: the line.
            now: seconds on the reply's clock.
            allowed_urls: URLs that stay live in the text.
            citations: for each source's number the URL that its citation leads to, empty if there is none.
            text_filter: changes the text before anything else does.

        Raises:
            RuntimeError: text was received before, and anything but a status is given.
        """
        if allowed_urls is not None or citations is not None or text_filter is not None:
            if self._received:
                raise RuntimeError("links and filters must be known before the first text")
            self._converter = DiscordMarkdownConverter(allowed_urls or (), self._page_length, citations)
            self._text_filter = text_filter
        self._status = status
        self._last_activity_at = now

    def receive(self, delta: str, now: float) -> None:
        """Take in newly arrived text.

        Raises:
            RuntimeError: the reply is finished.
        """
        if self.is_finished:
            raise RuntimeError("text was received after the end")
        if not delta:
            return
        if not self._received:
            self._first_delta_at = now
        text = self._text_filter.feed(delta) if self._text_filter else delta
        self._received.append(text)
        self._pager.feed(self._converter.feed(text))
        self._last_activity_at = now
        self._is_writing = self._is_writing or bool(self._pager.sealed or self._open_page_text.strip())
        self._note_arrival(now)

    def finish(self, closing: Closing, now: float) -> None:
        """End the text, exact as it is, and put the closing words below it, on a page of their own if they must.

        Raises:
            RuntimeError: the reply was finished before.
        """
        if self.is_finished:
            raise RuntimeError("a reply ends once")
        if self._text_filter:
            self._received.append(self._text_filter.flush())
            self._pager.feed(self._converter.feed(self._received[-1]))
        self._pager.feed(self._converter.flush())
        self._pager.flush()
        self._closing = closing
        self._set_final_pages(self._build_final_pages(), now)

    def disable_attachment(self, now: float) -> None:
        """Post the rest in messages: the last action's file cannot be attached here."""
        self._may_attach = False
        self._final_page_count = min(self._final_page_count, self._max_pages)
        self._set_final_pages(self._build_final_pages(), now)

    def give_up(self, note: str, now: float) -> None:
        """End with what is visible and a note below it after an error: no text is rendered again."""
        if isinstance(self._current_action, Edit):
            # It may be visible already, and holds all that was there before.
            self._shown_pages[self._current_action.page] = self._current_action.text
            self._shows_text = self._shows_text or self._action_has_text
        self._current_action = None
        said = [strip_cursor(page) for page in self._shown_pages] if self._shows_text else []
        last = f"{said[-1]}\n\n{note}" if said else note
        if utf16_length(last) <= self._page_length:
            said[-1:] = [last]
        else:
            said.append(note[: self._page_length // 2])
        self._final_page_count = max(0, min(len(self._shown_pages), len(said)) - 1)
        self._may_attach = False
        self._set_final_pages(said, now)

    def next_action(self, now: float) -> Post | Edit | None:
        """Return what should be performed now, if anything; never an edit that changes nothing visible."""
        if self._current_action or now < self._not_before:
            return None
        if self._is_throttled and now < self._last_action_at + self._pace.min_interval:
            return None
        action = self._find_next_action(now)
        return action if action and self._ready_at(action) <= now else None

    def get_urgency(self) -> Urgency:
        """Return how urgent the next action is."""
        if self.is_finished:
            return Urgency.FINAL
        if not self._shown_pages or (self._is_writing and not self._shows_text):
            return Urgency.FIRST_WORDS
        return Urgency.STATUS if self._stale_since is None else Urgency.TEXT

    def get_staleness(self, now: float) -> float:
        """Return the seconds since the oldest invisible character arrived; 0.0 if all is visible."""
        return 0.0 if self._stale_since is None else now - self._stale_since

    def wake_at(self, now: float) -> float | None:
        """Return when to ask again if nothing arrives; None while an action is under way, or if all is done."""
        if self._current_action or self.is_complete:
            return None
        if self._is_throttled and now < self._last_action_at + self._pace.min_interval:
            return max(self._not_before, self._last_action_at + self._pace.min_interval)
        action = self._find_next_action(now)
        if action:
            return max(self._not_before, self._ready_at(action))
        if self._is_writing:
            return self._last_activity_at + self._pace.next_stall(now - self._last_activity_at)
        return self._started + self._pace.next_tick(now - self._started)

    def action_started(self, action: Post | Edit, now: float) -> None:
        """Note that the action goes out now."""
        self._current_action = action
        self._last_action_at = now
        self._arrived_during_action_at = None
        self._action_has_text = self._is_writing

    def action_succeeded(self, action: Post | Edit) -> None:
        """Note that the action is visible."""
        self._current_action = None
        page = len(self._shown_pages) if isinstance(action, Post) else action.page
        self._shown_pages[page:] = [action.text, *self._shown_pages[page + 1 :]]
        self._shows_text = self._shows_text or self._action_has_text
        # A page that was sealed while the answer went on may yet be the one that its closing words come on.
        if action.is_sealed and page == self._final_page_count and (action.is_last or not self._is_last(page)):
            self._final_page_count += 1
        if page >= self._final_page_count or action.is_last:
            self._stale_since = self._arrived_during_action_at

    def action_failed(self, retry_at: float) -> None:
        """Note that the action did not happen; the newest text is due again from ``retry_at``."""
        self._current_action = None
        self._not_before = retry_at

    @property
    def _open_page_text(self) -> str:
        """The page being written, with the safe rendering of a word that may yet become a link."""
        pending = self._converter.pending
        return self._pager.open_page_with(pending) if pending else self._pager.open_page

    @property
    def _is_throttled(self) -> bool:
        """Whether only an edit of text can come next: then the pace alone decides when, without rendering."""
        return self._shows_text and not self.is_finished and self._final_page_count < len(self._shown_pages)

    def _note_arrival(self, now: float) -> None:
        if self._stale_since is None:
            self._stale_since = now
        if self._current_action and self._arrived_during_action_at is None:
            self._arrived_during_action_at = now

    def _set_final_pages(self, pages: list[str], now: float) -> None:
        self._final_pages = pages
        self._final_page_count = min(self._final_page_count, len(pages) - 1)
        self._note_arrival(now)

    def _build_final_pages(self) -> list[str]:
        """Return all pages as they will stay, closing words included."""
        last = self._pager.open_page
        pages = [*self._pager.sealed, *([last] if last.strip() else [])]
        rest = sum(map(len, pages[self._max_pages :]))
        if rest and self._may_attach:
            # On a message of its own: what a reader has seen is not taken back to make room.
            pages[self._max_pages :] = [_format_file_note(rest)]
        return _append_closing(pages, self._closing, self._page_length)

    @property
    def _attachment_text(self) -> str:
        """The file for the last action: what the model said, exact, if not all of it is posted."""
        return "".join(self._received) if self._may_attach and self._unposted_length else ""

    @property
    def _unposted_length(self) -> int:
        """The number of characters behind the last page that is posted."""
        sealed = self._pager.sealed
        if len(sealed) < self._max_pages:
            return 0
        return sum(map(len, sealed[self._max_pages :])) + len(self._pager.open_page.strip())

    def _is_last(self, page: int) -> bool:
        return self._final_pages is not None and page == len(self._final_pages) - 1

    def _find_next_action(self, now: float) -> Post | Edit | None:
        """Return the action for the first page that is not shown as it should be; later pages wait for it."""
        page = self._final_page_count
        lasting = self._pager.sealed[: self._max_pages] if self._final_pages is None else self._final_pages
        is_sealed = page < len(lasting)
        is_last = self._is_last(page)
        wanted = lasting[page] if is_sealed else self._render_open_page(now)
        if not wanted.strip():
            return None
        attached = self._attachment_text if is_last else ""
        if page == len(self._shown_pages):
            return Post(wanted, is_sealed, is_last, attached)
        if (
            is_sealed
            and self._is_text_moving_on(page, wanted)
            and (following := self._render_page(page + 1, lasting, now))
        ):
            return Post(following)
        # A page that is seen as it will stay is sealed all the same: whoever shows it may have more to show below it.
        if not is_sealed and _looks_alike(self._shown_pages[page], wanted):
            return None
        return Edit(page, wanted, is_sealed, is_last, attached)

    def _is_text_moving_on(self, page: int, wanted: str) -> bool:
        """Tell whether text leaves the last message shown: it is posted in the next before it is cut here."""
        shown = strip_cursor(self._shown_pages[page]).rstrip()
        return page + 1 == len(self._shown_pages) and self._shows_text and len(shown) > len(wanted) + _LONGEST_WORD

    def _render_page(self, page: int, lasting: Sequence[str], now: float) -> str:
        """Return the page that is shown next, empty if there is none."""
        if page < len(lasting):
            return lasting[page] if lasting[page].strip() else ""
        shown = self._render_open_page(now)
        return shown if shown.strip() else ""

    def _render_open_page(self, now: float) -> str:
        if self.is_finished:
            return ""
        if not self._is_writing:
            seconds = self._pace.round_to_tick(now - self._started)
            return f"{self._status} {seconds} s" if seconds else self._status
        rest = self._unposted_length
        page = _format_continuation_note(rest) if rest else self._open_page_text
        silence = self._pace.round_to_stall(now - self._last_activity_at)
        for mark in (_format_stall_note(silence), WRITING_CURSOR) if silence else (WRITING_CURSOR,):
            marked = page.rstrip() + _position_mark(page, mark)
            if page.strip() and utf16_length(marked) <= self._page_length:
                return marked
        return page

    def _ready_at(self, action: Post | Edit) -> float:
        """Return the earliest time for the action, apart from rate limits."""
        if self.is_finished or isinstance(action, Post):
            return self._not_before
        if self._is_writing and not self._shows_text:
            return self._not_before if self._has_first_words else self._first_delta_at + self._pace.first_words_wait
        return self._last_action_at + (self._pace.min_interval if self._is_writing else self._pace.status_dwell)

    @property
    def _has_first_words(self) -> bool:
        delta = self._received[-1] if self._received else ""
        at_edge = delta[:1].isspace() or not delta[-1:].isalnum()
        return at_edge and len(self._open_page_text.strip()) >= _FIRST_WORDS_LENGTH


def render_final_pages(
    text: str,
    closing: Closing,
    *,
    allowed_urls: Collection[str],
    citations: Mapping[int, str],
    page_limits: PageLimits | None = None,
) -> list[str]:
    """Return the pages of an answer whose whole text is known, as they are when its reply has ended."""
    reply = Reply(status="", now=0.0, page_limits=page_limits)
    reply.announce("", 0.0, allowed_urls=allowed_urls, citations=citations)
    reply.receive(text, 0.0)
    reply.finish(closing, 0.0)
    return reply.final_pages


def _format_stall_note(seconds: int) -> str:
    return f"\n-# still waiting for the model, {seconds} s"


def _format_continuation_note(length: int) -> str:
    so_far = f", {length // _LENGTH_STEP * _LENGTH_STEP:,} characters so far" if length >= _LENGTH_STEP else ""
    return f"-# The answer goes on. The whole of it comes as a file{so_far}"


def _format_file_note(length: int) -> str:
    return f"-# {length:,} characters more: the whole answer is in {ATTACHMENT_NAME}."


_CURSOR_OR_STALL_NOTE = re.compile(
    rf"(?:\s{re.escape(WRITING_CURSOR.strip())}|\n-# still waiting for the model, \d+ s)\Z"
)


def strip_cursor(page: str) -> str:
    """Return a page as it was shown, without the cursor."""
    return _CURSOR_OR_STALL_NOTE.sub("", page)


def _position_mark(page: str, mark: str) -> str:
    """Return the cursor, on a line of its own below a code block: a fence's line holds nothing else."""
    last_line = page.rstrip().rpartition("\n")[2].lstrip("> ")
    return "\n" + mark.lstrip() if last_line.startswith(("```", "~~~")) else mark


def _looks_alike(shown: str, wanted: str) -> bool:
    """Tell whether two texts are shown alike: Discord trims white space at a message's edges."""
    return shown.strip() == wanted.strip()


def _append_closing(pages: list[str], closing: Closing, limit: int) -> list[str]:
    """Return the pages with the closing words below the last one, or on further pages where they do not fit."""
    blocks = [piece for words in (closing.note, closing.footer) if words.strip() for piece in paginate(words, limit)]
    for block in blocks:
        joined = f"{pages[-1].rstrip()}\n\n{block}" if pages else block
        if pages and utf16_length(joined) <= limit:
            pages[-1] = joined
        else:
            pages.append(block)
    return pages or [EMPTY_ANSWER]
