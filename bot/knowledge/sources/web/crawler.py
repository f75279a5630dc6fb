"""Fetches the pages that lists of addresses name, keeps them, and tells by a digest whether each has changed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocentError, DocumentUnreadable, StoreUnusable
from bot.knowledge.readers.text import decode_text
from bot.knowledge.sources.folder import FileEntry, read_bytes
from bot.knowledge.sources.web.addresses import (
    CrawlTarget,
    build_page_name,
    extract_links,
    is_below,
    parse_list_path,
    parse_url_list,
)
from bot.knowledge.sources.web.fetcher import Fetcher, FetchLimits, NetworkPolicy, PageGone, PageUnavailable
from bot.knowledge.sources.web.page_cache import CachedPage, delete_other_pages, load_cached_page, save_cached_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

PAGES_PER_TREE: Final = 200
MAX_DEPTH: Final = 3
"""How many links lead from the first page of a tree to its last."""
ADDRESSES_PER_LIST: Final = 2_000

_POLL_SECONDS = 0.2  # seconds between two checks whether the run is to stop
_STALE_NOTE = "; the version fetched before stays searchable"


@dataclass(frozen=True, slots=True)
class CrawlResult:
    """What the lists' pages hold now.

    ``digests`` is what makes each page itself; ``failed`` maps those that could not be had, and lines of lists that ask
    for nothing, to their reasons; ``unchecked`` are searchable pages that nobody could look at.
    """

    digests: dict[str, bytes] = field(default_factory=dict[str, bytes])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    unchecked: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class _PageResult:
    """What came of one page: where it ended, its links, a digest of its content if it is held, and what went wrong."""

    document: str
    address: str
    links: Sequence[str] = ()
    digest: bytes | None = None
    fault: DocumentUnreadable | None = None


class WebPages:
    """The pages kept in a folder. It blocks: run it in a thread."""

    def __init__(
        self, folder: Path, network_policy: NetworkPolicy | None = None, fetch_limits: FetchLimits | None = None
    ) -> None:
        self.folder = folder
        self._network_policy = network_policy or NetworkPolicy()
        self._fetch_limits = fetch_limits

    def crawl(
        self,
        root: Path,
        lists: Iterable[FileEntry],
        indexed: Collection[str],
        on_poll: Callable[[], None],
        *,
        prune_pages: bool = True,
    ) -> CrawlResult:
        """Fetch what the lists of a documents' folder name; ``on_poll`` is called all the while, and may raise.

        With ``prune_pages`` these are all lists, and what is kept of pages that are on none is deleted.

        Raises:
            StoreUnusable: pages cannot be written down.
        """
        made = CrawlResult()
        wanted: list[tuple[str, CrawlTarget]] = []
        for found in lists:
            try:
                text = "" if not (found.size or found.fault) else decode_text(read_bytes(root, found.relative))
                asked = parse_url_list(text, ports=self._network_policy.ports)
            except Exception as error:  # noqa: BLE001 - one list must not end the run
                made.failed[found.relative] = describe_failure(error, "cannot be read")
                made.unchecked.update(name for name in indexed if parse_list_path(name) == found.relative)
                continue
            if len(asked) > ADDRESSES_PER_LIST:
                made.failed[found.relative] = f"more than {ADDRESSES_PER_LIST:,} addresses; the rest was left out"
            wanted += [(found.relative, each) for each in asked[:ADDRESSES_PER_LIST]]
        if wanted:
            try:
                asyncio.run(self._crawl(wanted, frozenset(indexed), made, on_poll))
            except DocentError:
                raise
            except Exception as error:  # noqa: BLE001 - the web must not keep the folder's files from being read
                made.failed.update((name, describe_failure(error, "not fetched")) for name, _ in wanted)
                made.unchecked.update(name for name in indexed if parse_list_path(name) is not None)
        if not prune_pages:
            return made
        try:
            delete_other_pages(self.folder, {*made.digests, *made.failed, *made.unchecked, *indexed})
        except OSError as error:
            raise self._build_write_error() from error
        return made

    async def _crawl(
        self,
        targets: Sequence[tuple[str, CrawlTarget]],
        indexed: frozenset[str],
        result: CrawlResult,
        on_poll: Callable[[], None],
    ) -> None:
        async with Fetcher(self._network_policy, self._fetch_limits) as fetcher:
            crawl = _Crawl(self, fetcher, indexed, result, self._network_policy.ports)
            task = asyncio.create_task(crawl.run(targets))
            try:
                while not task.done():
                    on_poll()
                    await asyncio.wait({task}, timeout=_POLL_SECONDS)
                await task
            finally:
                await crawl.stop(task)

    def load_page(self, document: str) -> CachedPage | None:
        """What was fetched of a page, if anything is kept."""
        try:
            return load_cached_page(self.folder, document)
        except DocumentUnreadable:
            return None

    def save_page(self, document: str, page: CachedPage) -> None:
        """Keep a page for later.

        Raises:
            StoreUnusable: there is no writing.
        """
        try:
            save_cached_page(self.folder, document, page)
        except OSError as error:
            raise self._build_write_error() from error

    def _build_write_error(self) -> StoreUnusable:
        return StoreUnusable(
            f"{self.folder} cannot be written: check this user's rights, and that the disk is not full."
        )


class _Crawl:
    """One walk over all that is wanted; each page is fetched once, however many ways lead to it."""

    def __init__(
        self, pages: WebPages, fetcher: Fetcher, indexed: frozenset[str], result: CrawlResult, ports: frozenset[int]
    ) -> None:
        self._pages = pages
        self._fetcher = fetcher
        self._indexed = indexed
        self._result = result
        self._ports = ports
        self._visits: dict[str, asyncio.Task[_PageResult]] = {}
        self._gone: set[str] = set()
        self._final_addresses: set[tuple[str, str]] = set()

    async def run(self, targets: Sequence[tuple[str, CrawlTarget]]) -> None:
        """Fetch everything; trees a page after the other level by level, all lists side by side."""
        done = await asyncio.gather(*(self._crawl_target(listed, each) for listed, each in targets))
        unsure: set[str] = set()
        for (listed, each), (visits, remark) in zip(targets, done, strict=True):
            line = f"{listed}:{each.line}"
            if remark:
                self._result.failed[line] = remark
            for place, visit in enumerate(visits):
                self._record_page(listed, visit, line, is_requested=place == 0)
            if each.is_tree and any(isinstance(visit.fault, PageUnavailable) for visit in visits):
                unsure.add(_format_host_prefix(listed, each.address))
        reached = {*self._result.digests, *self._gone}
        self._result.unchecked.update(
            name for name in self._indexed if name not in reached and any(name.startswith(host) for host in unsure)
        )

    async def stop(self, task: asyncio.Task[None]) -> None:
        """Leave nothing running."""
        tasks: list[asyncio.Task[Any]] = [task, *self._visits.values()]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _crawl_target(self, list_path: str, target: CrawlTarget) -> tuple[list[_PageResult], str]:
        """The pages of one line of a list, the one asked for first, and a remark about the line."""
        if target.fault:
            return [], target.fault
        visits: list[_PageResult] = []
        seen = {build_page_name(list_path, target.address)}
        level = [target.address]
        left_out = 0
        for _ in range(MAX_DEPTH + 1 if target.is_tree else 1):
            found = await asyncio.gather(*(self._visit(list_path, address) for address in level))
            visits += [each for each in found if not visits or is_below(each.address, target.address)]
            level = []
            for address in (link for visit in found for link in visit.links):
                name = build_page_name(list_path, address)
                if name in seen or not is_below(address, target.address):
                    continue
                seen.add(name)
                if len(seen) > PAGES_PER_TREE:
                    left_out += 1
                else:
                    level.append(address)
        is_cut = target.is_tree and left_out > 0
        return visits, f"more than {PAGES_PER_TREE} pages; the rest was left out" if is_cut else ""

    async def _visit(self, list_path: str, address: str) -> _PageResult:
        document = build_page_name(list_path, address)
        if document not in self._visits:
            self._visits[document] = asyncio.create_task(self._fetch_page(document, address))
        return await asyncio.shield(self._visits[document])

    async def _fetch_page(self, document: str, address: str) -> _PageResult:
        before = self._pages.load_page(document)
        try:
            page = await self._fetcher.fetch(address, before)
            links = self._extract_links(page)
        except PageGone as error:
            return _PageResult(document, address, fault=error)
        except Exception as error:  # noqa: BLE001 - one page must not end the run
            fault = (
                error
                if isinstance(error, DocumentUnreadable)
                else PageUnavailable(describe_failure(error, "cannot be fetched"))
            )
            if before is None:
                return _PageResult(document, address, fault=fault)
            with suppress(Exception):  # told above already, if it was the links that failed
                return _PageResult(document, before.address, self._extract_links(before), before.digest, fault)
            return _PageResult(document, before.address, (), before.digest, fault)
        if page != before:
            self._pages.save_page(document, page)
        return _PageResult(document, page.address, links, page.digest)

    def _extract_links(self, page: CachedPage) -> list[str]:
        if page.kind != ".html":
            return []
        return extract_links(page.body.decode("utf-8", "replace"), page.address, ports=self._ports)

    def _record_page(self, list_path: str, visit: _PageResult, line: str, *, is_requested: bool) -> None:
        """Enter what came of a page; the same page under two names is one, under the first."""
        document = visit.document
        if isinstance(visit.fault, PageGone):
            self._gone.add(document)
            if is_requested:
                self._result.failed[line] = visit.fault.user_message
            return
        if visit.digest is not None and document not in self._result.digests:
            if (list_path, visit.address) in self._final_addresses:
                return
            self._final_addresses.add((list_path, visit.address))
            self._result.digests[document] = visit.digest
        if visit.fault is not None:
            is_known = visit.digest is not None or document in self._indexed
            if is_known or is_requested or isinstance(visit.fault, PageUnavailable):
                self._result.failed[document] = visit.fault.user_message + (_STALE_NOTE if is_known else "")


def describe_failure(error: Exception, what: str) -> str:
    """Return why an item failed: its own reason, or ``what`` and the kind of an error that is then logged."""
    if isinstance(error, DocentError):
        return error.user_message
    _log.warning("%s: %s", what, type(error).__name__, exc_info=error)
    return f"{what} ({type(error).__name__})"


def _format_host_prefix(list_path: str, address: str) -> str:
    """What the names of all pages of a host begin with."""
    return "/".join(build_page_name(list_path, address).split("/")[: list_path.count("/") + 2])
