"""One answer as it appears: text and time go in, the next post or edit comes out.

The first message is posted at once with a status line and becomes the answer. While the text grows, the page being
written ends in a mark; a model that falls silent is named below it; the end is the exact text and its closing words.
Nothing here waits or sends: ask ``due`` what to do, do it, and say how it went.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.actions import ATTACHMENT, WORDLESS, WRITING, Closing, Edit, Post, Urgency
from bot.streaming.markdown.convert import Dialect
from bot.streaming.paging import PAGE_LIMIT, Pager, paginate, width

if TYPE_CHECKING:
    from collections.abc import Collection

    from bot.streaming.actions import Rewriting


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is posted: so many ``pages`` of text, ``page`` UTF-16 code units each; the rest comes as a file.

    Where no file may be attached, it is posted in further pages: nothing is lost.
    """

    page: int = PAGE_LIMIT
    pages: int = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a reply changes, in seconds.

    ``shortest``: between two edits of a message. ``patience``: how long first words wait for a word's end. ``linger``:
    how long a status line stands, because a model that soon speaks needs the edit more. ``tick``: how often it counts
    the seconds (slower after five ticks). ``stall``: the silence that is announced.
    """

    shortest: float = 0.4
    patience: float = 0.15
    linger: float = 1.0
    tick: float = 2.0
    stall: float = 5.0

    def counted(self, waited: float) -> int:
        """The whole seconds that a status line names after so long a wait; 0 before the first tick."""
        step = self.tick if waited < 5 * self.tick else 2.5 * self.tick
        return int(waited // step * step)

    def next_tick(self, waited: float) -> float:
        """The length of wait at which the named seconds change next."""
        step = self.tick if waited < 5 * self.tick else 2.5 * self.tick
        return (waited // step + 1) * step

    def silence(self, waited: float) -> int:
        """The whole seconds of silence that are announced; 0 while it is no stall."""
        return int(waited // self.stall * self.stall)

    def next_stall(self, waited: float) -> float:
        """The length of silence that is announced next."""
        return (waited // self.stall + 1) * self.stall


_HANDFUL = 8
"""So many characters make first words."""
_ROUND = 500
"""While the rest is being written, its length is told in steps of so many characters."""


class Reply:
    """One answer as it appears. All times are seconds on one clock that never runs backwards.

    One action is under way at a time: after ``begun`` nothing is due until ``performed`` or ``failed`` is told.
    Text that goes on beyond the ``extent`` is not posted: the last message says how much it is, and carries the whole.
    """

    def __init__(
        self,
        *,
        status: str,
        now: float,
        allowed_links: Collection[str] = (),
        pace: Pace | None = None,
        extent: Extent | None = None,
    ) -> None:
        extent = extent or Extent()
        self._pace = pace or Pace()
        self._limit = extent.page
        self._most_pages = extent.pages
        self._pager = Pager(extent.page)
        self._dialect = Dialect(allowed_links, extent.page)
        self._rewriting: Rewriting | None = None
        self._status = status
        self._started = self._heard = self._not_before = now
        self._received: list[str] = []
        self._first_heard = now
        self._final: list[str] | None = None
        self._closing = Closing()
        self._may_attach = True
        self._shown: list[str] = []
        self._settled = 0  # so many pages are visible as they will stay
        self._unseen_since: float | None = now
        self._arrived_meanwhile: float | None = None
        self._under_way: Post | Edit | None = None
        self._is_writing = False
        self._carries_words = False
        self._shows_words = False
        self._began = float("-inf")

    @property
    def text(self) -> str:
        """What the model has said so far, foreign links inert and a word that may become a link held back."""
        return self._pager.text

    @property
    def is_finished(self) -> bool:
        """No more text comes."""
        return self._final is not None

    @property
    def is_complete(self) -> bool:
        """Everything is visible, closing words included."""
        return self._final is not None and self._under_way is None and self._settled == len(self._final)

    def announce(
        self, status: str, now: float, *, links: Collection[str] | None = None, rewriting: Rewriting | None = None
    ) -> None:
        """Show another status line while there is no text.

        ``links`` are the URLs that stay live in the text; ``rewriting`` is done to it before anything else.

        Raises:
            RuntimeError: links or a rewriting are given although text has been received.
        """
        if links is not None or rewriting is not None:
            if self._received:
                raise RuntimeError("what is done to the text must be known before the first of it")
            self._dialect = Dialect(links or (), self._limit)
            self._rewriting = rewriting
        self._status = status
        self._heard = now

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
            self._first_heard = now
        self._received.append(delta)
        self._pager.feed(self._dialect.feed(self._rewriting.feed(delta) if self._rewriting else delta))
        self._heard = now
        self._is_writing = self._is_writing or bool(self._pager.sealed or self._written.strip())
        self._note_arrival(now)

    def finish(self, closing: Closing, now: float) -> None:
        """End the text, exact as it is, and put the closing words below it, on a page of their own if they must.

        Raises:
            RuntimeError: the reply was finished before.
        """
        if self.is_finished:
            raise RuntimeError("a reply ends once")
        if self._rewriting:
            self._pager.feed(self._dialect.feed(self._rewriting.flush()))
        self._pager.feed(self._dialect.flush())
        self._pager.flush()
        self._closing = closing
        self._end_with(self._last_pages(), now)

    def attach_nothing(self, now: float) -> None:
        """The file that the last action carried cannot be attached here: the rest is posted after all."""
        self._may_attach = False
        self._settled = min(self._settled, self._most_pages)
        self._end_with(self._last_pages(), now)

    def give_up(self, note: str, now: float) -> None:
        """End with what is visible and a note below it, whatever failed inside: no text is looked at again."""
        if isinstance(self._under_way, Edit):
            # It may be visible already, and holds all that was there before.
            self._shown[self._under_way.page] = self._under_way.text
            self._shows_words = self._shows_words or self._carries_words
        self._under_way = None
        said = [unmarked(page) for page in self._shown] if self._shows_words else []
        last = f"{said[-1]}\n\n{note}" if said else note
        if width(last) <= self._limit:
            said[-1:] = [last]
        else:
            said.append(note[: self._limit // 2])
        self._settled = max(0, min(len(self._shown), len(said)) - 1)
        self._may_attach = False
        self._end_with(said, now)

    def due(self, now: float) -> Post | Edit | None:
        """What should be performed now, if anything; never an edit that changes nothing visible."""
        if self._under_way or now < self._not_before:
            return None
        if self._is_resting and now < self._began + self._pace.shortest:
            return None
        action = self._difference(now)
        return action if action and self._ripe_at(action) <= now else None

    def urgency(self) -> Urgency:
        """How urgent the action is that is due, or will be."""
        if self.is_finished:
            return Urgency.FINAL
        if not self._shown or (self._is_writing and not self._shows_words):
            return Urgency.FIRST_WORDS
        return Urgency.STATUS if self._unseen_since is None else Urgency.TEXT

    def staleness(self, now: float) -> float:
        """Seconds since the oldest character that is not visible yet arrived; 0.0 if all is visible."""
        return 0.0 if self._unseen_since is None else now - self._unseen_since

    def wake_at(self, now: float) -> float | None:
        """When to ask again if nothing arrives meanwhile; None while an action is under way, or if all is done."""
        if self._under_way or self.is_complete:
            return None
        if self._is_resting and now < self._began + self._pace.shortest:
            return max(self._not_before, self._began + self._pace.shortest)
        action = self._difference(now)
        if action:
            return max(self._not_before, self._ripe_at(action))
        if self._is_writing:
            return self._heard + self._pace.next_stall(now - self._heard)
        return self._started + self._pace.next_tick(now - self._started)

    def begun(self, action: Post | Edit, now: float) -> None:
        """The action goes out now."""
        self._under_way = action
        self._began = now
        self._arrived_meanwhile = None
        self._carries_words = self._is_writing

    def performed(self, action: Post | Edit) -> None:
        """The action is visible."""
        self._under_way = None
        page = len(self._shown) if isinstance(action, Post) else action.page
        self._shown[page:] = [action.text, *self._shown[page + 1 :]]
        self._shows_words = self._shows_words or self._carries_words
        # A page that was sealed while the answer went on may yet be the one that its closing words come on.
        if action.is_sealed and page == self._settled and (action.is_last or not self._is_last(page)):
            self._settled += 1
        if page >= self._settled or action.is_last:
            self._unseen_since = self._arrived_meanwhile

    def failed(self, retry_at: float) -> None:
        """The action did not happen; the newest text is due again from ``retry_at``."""
        self._under_way = None
        self._not_before = retry_at

    @property
    def _written(self) -> str:
        """The page being written, with the safe rendering of a word that may yet become a link."""
        pending = self._dialect.pending
        return self._pager.open_page_with(pending) if pending else self._pager.open_page

    @property
    def _is_resting(self) -> bool:
        """Nothing but an edit of text can come next: the pace decides, and nothing need be rendered before."""
        return self._shows_words and not self.is_finished and self._settled < len(self._shown)

    def _note_arrival(self, now: float) -> None:
        if self._unseen_since is None:
            self._unseen_since = now
        if self._under_way and self._arrived_meanwhile is None:
            self._arrived_meanwhile = now

    def _end_with(self, pages: list[str], now: float) -> None:
        self._final = pages
        self._settled = min(self._settled, len(pages) - 1)
        self._note_arrival(now)

    def _last_pages(self) -> list[str]:
        """All pages as they will stay, closing words included."""
        last = self._pager.open_page
        pages = [*self._pager.sealed, *([last] if last.strip() else [])]
        rest = sum(map(len, pages[self._most_pages :]))
        if rest and self._may_attach:
            # On a message of its own: what a reader has seen is not taken back to make room.
            pages[self._most_pages :] = [_rest_in_file(rest)]
        return _closed(pages, self._closing, self._limit)

    @property
    def _attached(self) -> str:
        """The file for the last action: what the model said, exact, if not all of it is posted."""
        return "".join(self._received) if self._may_attach and self._rest else ""

    @property
    def _rest(self) -> int:
        """So many characters of text come after the last page that is posted."""
        sealed = self._pager.sealed
        if len(sealed) < self._most_pages:
            return 0
        return sum(map(len, sealed[self._most_pages :])) + len(self._pager.open_page.strip())

    def _is_last(self, page: int) -> bool:
        return self._final is not None and page == len(self._final) - 1

    def _difference(self, now: float) -> Post | Edit | None:
        """The first page that is not visible as it should be; later pages wait for it."""
        page = self._settled
        lasting = self._pager.sealed[: self._most_pages] if self._final is None else self._final
        is_sealed = page < len(lasting)
        is_last = self._is_last(page)
        wanted = lasting[page] if is_sealed else self._open_page(now)
        if not wanted.strip():
            return None
        attached = self._attached if is_last else ""
        if page == len(self._shown):
            return Post(wanted, is_sealed, is_last, attached)
        # A page that is seen as it will stay is sealed all the same: whoever shows it may have more to show below it.
        if not is_sealed and _looks_alike(self._shown[page], wanted):
            return None
        return Edit(page, wanted, is_sealed, is_last, attached)

    def _open_page(self, now: float) -> str:
        if self.is_finished:
            return ""
        if not self._is_writing:
            seconds = self._pace.counted(now - self._started)
            return f"{self._status} {seconds} s" if seconds else self._status
        rest = self._rest
        page = _rest_to_come(rest) if rest else self._written
        silence = self._pace.silence(now - self._heard)
        for mark in (_stalled(silence), WRITING) if silence else (WRITING,):
            marked = page.rstrip() + _beside(page, mark)
            if page.strip() and width(marked) <= self._limit:
                return marked
        return page

    def _ripe_at(self, action: Post | Edit) -> float:
        """From when on the action makes sense, the lane aside."""
        if self.is_finished or isinstance(action, Post):
            return self._not_before
        if self._is_writing and not self._shows_words:
            return self._not_before if self._has_first_words else self._first_heard + self._pace.patience
        return self._began + (self._pace.shortest if self._is_writing else self._pace.linger)

    @property
    def _has_first_words(self) -> bool:
        delta = self._received[-1] if self._received else ""
        at_edge = delta[:1].isspace() or not delta[-1:].isalnum()
        return at_edge and len(self._written.strip()) >= _HANDFUL


def _stalled(seconds: int) -> str:
    return f"\n-# still waiting for the model, {seconds} s"


def _rest_to_come(rest: int) -> str:
    so_far = f", {rest // _ROUND * _ROUND:,} characters so far" if rest >= _ROUND else ""
    return f"-# The answer goes on. The whole of it comes as a file{so_far}"


def _rest_in_file(rest: int) -> str:
    return f"-# {rest:,} characters more: the whole answer is in {ATTACHMENT}."


_MARKS = re.compile(rf"(?:\s{re.escape(WRITING.strip())}|\n-# still waiting for the model, \d+ s)\Z")


def unmarked(shown: str) -> str:
    """A page as it was shown, without our mark."""
    return _MARKS.sub("", shown)


def _beside(page: str, mark: str) -> str:
    """The mark, on a line of its own below a code block: a fence's line holds nothing else."""
    last_line = page.rstrip().rpartition("\n")[2].lstrip()
    return "\n" + mark.lstrip() if last_line.startswith(("```", "~~~")) else mark


def _looks_alike(shown: str, wanted: str) -> bool:
    """Discord trims white space at a message's edges, so a difference there is none."""
    return shown.strip() == wanted.strip()


def _closed(pages: list[str], closing: Closing, limit: int) -> list[str]:
    """The pages with the closing words below the last one, or on further pages where they do not fit."""
    blocks = [piece for words in (closing.note, closing.footer) if words.strip() for piece in paginate(words, limit)]
    for block in blocks:
        joined = f"{pages[-1].rstrip()}\n\n{block}" if pages else block
        if pages and width(joined) <= limit:
            pages[-1] = joined
        else:
            pages.append(block)
    return pages or [WORDLESS]
