"""Lists of web addresses go in; the pages they name are fetched and kept, and what each holds now is told by a hash."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable, StoreUnusable
from bot.knowledge.readers.text import decode_text
from bot.knowledge.sources.folder import FileEntry, read_bytes
from bot.knowledge.sources.web.addresses import Wanted, is_below, links, list_of, listed_urls, page_name
from bot.knowledge.sources.web.fetcher import Bounds, Fetcher, PageGone, PageOutOfReach, Reach
from bot.knowledge.sources.web.page_cache import CachedPage, delete_other_pages, load_cached_page, save_cached_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

PAGES_PER_TREE: Final = 200
DEPTH: Final = 3
"""How many links lead from the first page of a tree to its last."""
ADDRESSES_PER_LIST: Final = 2_000

_TICK = 0.2  # seconds between two looks at whether the run is to stop
_STAYS = "; what was fetched of it before stays searchable"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the lists' pages hold now.

    ``hashed`` is what makes each page itself; ``failed`` maps those that could not be had, and lines of lists that ask
    for nothing, to their reasons; ``kept`` are searchable pages that nobody could look at.
    """

    hashed: dict[str, bytes] = field(default_factory=dict[str, bytes])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    kept: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class _Visit:
    """What came of one page: where it ended, its links, a digest of its content if it is held, and what went wrong."""

    document: str
    address: str
    links: Sequence[str] = ()
    hashed: bytes | None = None
    fault: DocumentUnreadable | None = None


class WebPages:
    """The pages kept in a folder. It blocks: run it in a thread."""

    def __init__(self, folder: Path, reach: Reach | None = None, bounds: Bounds | None = None) -> None:
        self.folder = folder
        self._reach = reach or Reach()
        self._bounds = bounds

    def gathered(
        self,
        root: Path,
        lists: Iterable[FileEntry],
        indexed: Collection[str],
        note: Callable[[], None],
        *,
        forgets: bool = True,
    ) -> Gathered:
        """Fetch what the lists of a documents' folder name; ``note`` is called all the while, and may raise.

        With ``forgets`` these are all lists, and what is kept of pages that are on none is deleted.

        Raises:
            StoreUnusable: pages cannot be written down.
        """
        made = Gathered()
        wanted: list[tuple[str, Wanted]] = []
        for found in lists:
            try:
                text = "" if not (found.size or found.fault) else decode_text(read_bytes(root, found.relative))
            except DocumentUnreadable as error:
                made.failed[found.relative] = error.user_message
                made.kept.update(name for name in indexed if list_of(name) == found.relative)
                continue
            asked = listed_urls(text, ports=self._reach.ports)
            if len(asked) > ADDRESSES_PER_LIST:
                made.failed[found.relative] = f"more than {ADDRESSES_PER_LIST:,} addresses; the rest was left out"
            wanted += [(found.relative, each) for each in asked[:ADDRESSES_PER_LIST]]
        if wanted:
            asyncio.run(self._gather(wanted, frozenset(indexed), made, note))
        if not forgets:
            return made
        try:
            delete_other_pages(self.folder, {*made.hashed, *made.failed, *made.kept, *indexed})
        except OSError as error:
            raise self._unwritable() from error
        return made

    async def _gather(
        self, wanted: Sequence[tuple[str, Wanted]], indexed: frozenset[str], made: Gathered, note: Callable[[], None]
    ) -> None:
        async with Fetcher(self._reach, self._bounds) as fetcher:
            crawl = _Crawl(self, fetcher, indexed, made, self._reach.ports)
            task = asyncio.create_task(crawl.all(wanted))
            try:
                while not task.done():
                    note()
                    await asyncio.wait({task}, timeout=_TICK)
                await task
            finally:
                await crawl.end(task)

    def known(self, document: str) -> CachedPage | None:
        """What was fetched of a page, if anything is kept."""
        try:
            return load_cached_page(self.folder, document)
        except DocumentUnreadable:
            return None

    def keep(self, document: str, page: CachedPage) -> None:
        """Keep a page for later.

        Raises:
            StoreUnusable: there is no writing.
        """
        try:
            save_cached_page(self.folder, document, page)
        except OSError as error:
            raise self._unwritable() from error

    def _unwritable(self) -> StoreUnusable:
        return StoreUnusable(
            f"{self.folder} cannot be written: check this user's rights, and that the disk is not full."
        )


class _Crawl:
    """One walk over all that is wanted; each page is fetched once, however many ways lead to it."""

    def __init__(
        self, pages: WebPages, fetcher: Fetcher, indexed: frozenset[str], made: Gathered, ports: frozenset[int]
    ) -> None:
        self._pages = pages
        self._fetcher = fetcher
        self._indexed = indexed
        self._made = made
        self._ports = ports
        self._visits: dict[str, asyncio.Task[_Visit]] = {}
        self._gone: set[str] = set()
        self._ends: set[tuple[str, str]] = set()

    async def all(self, wanted: Sequence[tuple[str, Wanted]]) -> None:
        """Fetch everything; trees a page after the other level by level, all lists side by side."""
        done = await asyncio.gather(*(self._walked(listed, each) for listed, each in wanted))
        unsure: set[str] = set()
        for (listed, each), (visits, remark) in zip(wanted, done, strict=True):
            line = f"{listed}:{each.line}"
            if remark:
                self._made.failed[line] = remark
            for place, visit in enumerate(visits):
                self._note(listed, visit, line, is_asked_for=place == 0)
            if each.is_tree and any(isinstance(visit.fault, PageOutOfReach) for visit in visits):
                unsure.add(_host(listed, each.address))
        reached = {*self._made.hashed, *self._gone}
        self._made.kept.update(
            name for name in self._indexed if name not in reached and any(name.startswith(host) for host in unsure)
        )

    async def end(self, task: asyncio.Task[None]) -> None:
        """Leave nothing running."""
        tasks: list[asyncio.Task[Any]] = [task, *self._visits.values()]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _walked(self, listed: str, wanted: Wanted) -> tuple[list[_Visit], str]:
        """The pages of one line of a list, the one asked for first, and a remark about the line."""
        if wanted.fault:
            return [], wanted.fault
        visits: list[_Visit] = []
        seen = {page_name(listed, wanted.address)}
        level = [wanted.address]
        left_out = 0
        for _ in range(DEPTH + 1 if wanted.is_tree else 1):
            found = await asyncio.gather(*(self._visit(listed, address) for address in level))
            visits += [each for each in found if not visits or is_below(each.address, wanted.address)]
            level = []
            for address in (link for visit in found for link in visit.links):
                name = page_name(listed, address)
                if name in seen or not is_below(address, wanted.address):
                    continue
                seen.add(name)
                if len(seen) > PAGES_PER_TREE:
                    left_out += 1
                else:
                    level.append(address)
        is_cut = wanted.is_tree and left_out > 0
        return visits, f"more than {PAGES_PER_TREE} pages; the rest was left out" if is_cut else ""

    async def _visit(self, listed: str, address: str) -> _Visit:
        document = page_name(listed, address)
        if document not in self._visits:
            self._visits[document] = asyncio.create_task(self._visited(document, address))
        return await asyncio.shield(self._visits[document])

    async def _visited(self, document: str, address: str) -> _Visit:
        before = self._pages.known(document)
        try:
            page = await self._fetcher.fetched(address, before)
        except PageGone as error:
            return _Visit(document, address, fault=error)
        except DocumentUnreadable as error:
            if before is None:
                return _Visit(document, address, fault=error)
            return _Visit(document, before.address, self._links(before), before.digest, error)
        if page != before:
            self._pages.keep(document, page)
        return _Visit(document, page.address, self._links(page), page.digest)

    def _links(self, page: CachedPage) -> list[str]:
        if page.kind != ".html":
            return []
        return links(page.body.decode("utf-8", "replace"), page.address, ports=self._ports)

    def _note(self, listed: str, visit: _Visit, line: str, *, is_asked_for: bool) -> None:
        """Enter what came of a page; the same page under two names is one, under the first."""
        document = visit.document
        if isinstance(visit.fault, PageGone):
            self._gone.add(document)
            if is_asked_for:
                self._made.failed[line] = visit.fault.user_message
            return
        if visit.hashed is not None and document not in self._made.hashed:
            if (listed, visit.address) in self._ends:
                return
            self._ends.add((listed, visit.address))
            self._made.hashed[document] = visit.hashed
        if visit.fault is not None:
            is_known = visit.hashed is not None or document in self._indexed
            if is_known or is_asked_for or isinstance(visit.fault, PageOutOfReach):
                self._made.failed[document] = visit.fault.user_message + (_STAYS if is_known else "")


def _host(listed: str, address: str) -> str:
    """What the names of all pages of a host begin with."""
    return "/".join(page_name(listed, address).split("/")[: listed.count("/") + 2])
