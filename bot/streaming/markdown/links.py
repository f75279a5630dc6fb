"""Text goes in; the same text comes out with every link inert that is not a retrieved source's.

The model is an untrusted insider: a link it makes up can carry a team's words away at one click. What Discord might
make live outside code is rewritten so that nobody can follow it by accident (``hxxps://host[.]tld``), unless it is,
character by character, a source's address. Code that is code in every reading stays exact. Mentions are left alone.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

from bot.streaming.markdown.code import CodeReader
from bot.streaming.markdown.open_marks import DEFAULT_PAGE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bot.streaming.markdown.code import Segment

MAX_LINK_LENGTH = 512
"""Longest address that is kept live, in characters: a page can always be broken before it."""

_BLOCK_LENGTH = 400
"""How much is looked at in one go, in characters: the time taken grows with the text, not with its square."""

_MAX_TRIGGER_LENGTH = 80
"""Longest beginning of what may become a trigger, in characters."""

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
)
_SCHEME_NAME = rf"[A-Za-z][A-Za-z0-9+.\-{_INVISIBLE}]{{1,40}}"
_TRIGGER = re.compile(
    rf"(?P<scheme>{_SCHEME_NAME}):[{_INVISIBLE}]{{0,8}}(?P<slashes>[/\\]{{1,8}})"
    r"|(?P<masked>\]\(<?)"
    rf"|discord[a-z{_INVISIBLE}]{{0,16}}\.(?=[a-z{_INVISIBLE}]{{2,12}}/)"
    r"|<[\w.+\-]{1,64}@"
    r"|<(?!https?:)[^: >]{1,64}:(?=[/\\])"
    r"|<(?:mailto|tel|sms):"
    r"|<\+(?=\d)",
    re.IGNORECASE,
)
_MAY_BECOME_TRIGGER = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.\-{_INVISIBLE}]{{0,40}}(?::[{_INVISIBLE}]{{0,8}}[/\\]*)?|\]\(?<?|<[^: >]{{0,64}}:?)\Z"
)
_HTTP = re.compile(r"https?\Z", re.IGNORECASE)
_HOST_ENDS = r"\s/?#\\<>()\[\]{}\"'`|,;"
_HOST = re.compile(rf"(?:[^.:{_HOST_ENDS}]|[.:](?=[^{_HOST_ENDS}]))*")
_AFTER_LINK = re.compile(r"[)\]>.,:;!?'\"*_~|”’»]{0,6}")
_PLAIN_LABEL = re.compile(r"(?:\A|[^\\])\[[\w \-]{1,80}\Z")
_MAX_LABEL_LENGTH = 84
"""Longest beginning of a masked link that is remembered, in characters."""
_INVISIBLE_CHARACTER = re.compile(f"[{_INVISIBLE}]")


class LinkGuard:
    """Makes foreign links inert while text grows. Fed piece by piece it gives what the whole text would give.

    ``page`` is how many characters will stand on one page: no link is kept that cannot be kept in one piece.
    """

    def __init__(self, allowed_urls: Collection[str] = (), page_length: int = DEFAULT_PAGE_LENGTH) -> None:
        self._reader = CodeReader(page_length)
        self._neutraliser = _LinkNeutraliser(
            url for url in allowed_urls if 0 < len(url) <= min(MAX_LINK_LENGTH, page_length // 4)
        )

    def feed(self, delta: str) -> str:
        """Take in newly arrived text; give what is safe to show and will not change."""
        blocks = (delta[start : start + _BLOCK_LENGTH] for start in range(0, len(delta), _BLOCK_LENGTH))
        return "".join(self._render(self._reader.feed(block)) for block in blocks)

    def flush(self) -> str:
        """No more text comes: give the rest."""
        return self._render(self._reader.flush()) + self._neutraliser.flush_before(" ")

    @property
    def pending(self) -> str:
        """What is still held back, as it may be shown meanwhile after all that was given: every doubt makes inert."""
        return self._neutraliser.copy().finish(self._reader.pending)

    def look_ahead(self, text: str) -> str:
        """What may be shown after all that was given if this text came next; nothing is taken in."""
        other = LinkGuard()
        other._reader, other._neutraliser = self._reader.copy(), self._neutraliser.copy()
        return other.feed(text) + other.pending

    def _render(self, segments: Iterable[Segment]) -> str:
        return "".join(
            self._neutraliser.flush_before("` ") + segment.text
            if segment.is_code
            else self._neutraliser.feed(segment.text)
            for segment in segments
        )


def neutralise_links(text: str, allowed_urls: Collection[str] = ()) -> str:
    """The whole text with every foreign link inert."""
    guard = LinkGuard(allowed_urls)
    return guard.feed(text) + guard.flush()


class _LinkNeutraliser:
    """The part outside code: text in, text with inert links out, an undecided tail kept."""

    def __init__(self, allowed_urls: Iterable[str]) -> None:
        self._allowed_urls = sorted(set(allowed_urls), key=len, reverse=True)
        self._tail = ""
        self._is_in_host = False
        self._before = ""

    def copy(self) -> _LinkNeutraliser:
        """Another in the same state, to look ahead with."""
        return copy.copy(self)

    def finish(self, text: str) -> str:
        """What this text and the tail would give at the end of everything."""
        return self.feed(text) + self.flush_before(" ")

    def flush_before(self, terminator: str) -> str:
        """The tail, decided by what comes after it: something that ends with a space, and is not given."""
        given = self.feed(terminator)[: -len(terminator)] if self._tail or self._is_in_host else ""
        self._before = ""
        return given

    def feed(self, text: str) -> str:
        """Take in text; give what is decided."""
        self._tail += text
        given: list[str] = []
        while self._tail and (piece := self._next_piece()) is not None:
            given.append(piece)
        return "".join(given)

    def _take(self, count: int) -> str:
        taken, self._tail = self._tail[:count], self._tail[count:]
        self._before = (self._before + taken)[-_MAX_LABEL_LENGTH:]
        return taken

    def _next_piece(self) -> str | None:
        if self._is_in_host:
            return self._neutralise_host()
        trigger = _TRIGGER.search(self._tail)
        arriving = _MAY_BECOME_TRIGGER.search(self._tail, max(0, len(self._tail) - _MAX_TRIGGER_LENGTH))
        start = min(found.start() for found in (trigger, arriving) if found) if trigger or arriving else len(self._tail)
        if start > 0:
            return self._take(start)
        if trigger is None or trigger.start() > 0 or trigger.end() == len(self._tail):
            return None
        return self._handle_trigger(trigger)

    def _neutralise_host(self) -> str | None:
        """A foreign host as far as it has arrived. A dot at its end may be the sentence's, a colon a scheme's."""
        host = _HOST.match(self._tail)
        piece = self._take(host.end() if host else 0).replace(".", "[.]")
        self._is_in_host = self._tail in {"", ".", ":"}
        if self._tail.startswith((":/", ":\\")):
            self._take(1)
            piece += "[:]"
        return None if self._is_in_host and not piece else piece

    def _handle_trigger(self, trigger: re.Match[str]) -> str | None:
        if trigger["scheme"]:
            return self._handle_address(trigger)
        if trigger["masked"]:
            return self._handle_masked_link(trigger.end())
        taken = self._take(trigger.end())
        return f"{taken[:-1]}[{taken[-1]}]"

    def _handle_masked_link(self, end: int) -> str | None:
        is_labelled = _PLAIN_LABEL.search(self._before) is not None
        kept = self._match_allowed_url(end, is_labelled=is_labelled)
        if kept is not None and not kept[0]:
            self._take(2)
            return "] ("
        return self._keep_url(end, kept)

    def _keep_url(self, start: int, url_match: tuple[int, str] | None) -> str | None:
        """The text up to the end of an allowed address that stands at ``start``, and what is put behind it."""
        return None if url_match is None else self._take(start + url_match[0]) + url_match[1]

    def _handle_address(self, trigger: re.Match[str]) -> str | None:
        name = _INVISIBLE_CHARACTER.sub("", trigger["scheme"])
        http = _HTTP.search(trigger["scheme"])
        start = http.start() if http else 0
        kept = self._match_allowed_url(start)
        if kept is None or kept[0]:
            return self._keep_url(start, kept)
        self._take(trigger.end())
        if not _HTTP.search(name) and len(trigger["slashes"]) == 1:
            return trigger[0]
        self._is_in_host = True
        return _neutralise_scheme(name) + trigger["slashes"]

    def _match_allowed_url(self, start: int, *, is_labelled: bool = False) -> tuple[int, str] | None:
        """How many characters of what stands here are an allowed address and its end, and what is put behind them.

        0 for none, None as long as that is open. A bracket would be part of the address, and whatever is in it with it,
        so a space ends the address before; only behind ``[label](address)`` nothing can be.
        """
        for url in self._allowed_urls:
            here = self._tail[start : start + len(url)]
            if here == url:
                after = _AFTER_LINK.match(self._tail, start + len(url))
                end = after.end() if after else start
                if end == len(self._tail):
                    return None
                if self._tail[end].isspace():
                    return len(url), ""
                if self._tail[end] == "[":
                    is_ended = is_labelled and after is not None and after[0] == ")"
                    return end - start, "" if is_ended else " "
            elif start + len(here) == len(self._tail) and url.startswith(here):
                return None
        return 0, ""


def _neutralise_scheme(name: str) -> str:
    http = _HTTP.search(name)
    return f"{name[: http.start()]}hxxp{http[0][4:]}:" if http else f"{name}[:]"
