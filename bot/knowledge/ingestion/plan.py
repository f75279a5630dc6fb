"""Compares the sources with the index: which documents to read, which were removed, which were only moved."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.domain import collection_of
from bot.errors import DocumentUnreadable, IngestionRefused
from bot.knowledge.readers import READER_VERSION
from bot.knowledge.readers.text import decode_text
from bot.knowledge.sources.folder import FileEntry, FolderScan, read_bytes, scan_folder
from bot.knowledge.sources.web.addresses import is_url_list, is_url_list_text, parse_list_path
from bot.knowledge.sources.web.crawler import describe_failure
from bot.knowledge.splitting.splitter import SPLITTER_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from bot.knowledge.sources.web.crawler import WebPages

_MIN_DOCUMENTS_TO_CHECK = 4  # an index of fewer documents may lose most of them without anyone's consent


@dataclass(frozen=True, slots=True)
class Plan:
    """The differences between the sources and the index, by hashes of content and of the way it is read and split.

    ``unchecked`` are documents that could not be looked at, and that stay as they are; ``pages_folder`` is where
    fetched pages are kept; ``passed_over`` counts files of formats that are not read, by suffix. With a ``collection``
    all this is about its documents alone. With ``is_full`` everything is read, changed or not.
    """

    hashes: Mapping[str, str]
    indexed: Mapping[str, str]
    failed: Mapping[str, str]
    unchecked: AbstractSet[str] = frozenset()
    pages_folder: Path | None = None
    collection: str | None = None
    is_full: bool = False
    passed_over: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def to_read(self) -> list[str]:
        """Documents that are new or have changed, in the order in which they are read; all with ``is_full``."""
        return sorted(name for name in self.hashes if self.is_full or not self.is_unchanged(name))

    def is_unchanged(self, document: str) -> bool:
        """Whether a document is searchable as it is now."""
        return self.indexed.get(document) == self.hashes[document]

    def includes(self, document: str) -> bool:
        """Whether a document is part of this plan."""
        return self.collection in {None, collection_of(document)}

    @property
    def removed(self) -> list[str]:
        """Searchable documents whose files are gone; not those that merely cannot be opened now."""
        hidden = tuple(name for name in self.failed if name.endswith("/"))
        gone = set(self.indexed) - set(self.hashes) - set(self.failed) - self.unchecked
        return sorted(name for name in gone if not name.startswith(hidden))

    @property
    def moved(self) -> dict[str, str]:
        """Old names to new names of files that were renamed and not changed."""
        arrived: dict[str, deque[str]] = {}
        for name in self.to_read:
            if name not in self.indexed:
                arrived.setdefault(self.hashes[name], deque()).append(name)
        return {old: came.popleft() for old in self.removed if (came := arrived.get(self.indexed[old]))}


def make_plan(  # noqa: PLR0913 - what is looked at, and how; all but the first three by name
    root: Path,
    indexed: Mapping[str, str],
    web: WebPages,
    *,
    collection: str | None = None,
    is_full: bool = False,
    files_only: bool = False,
    on_file_hashed: Callable[[bool], None],
) -> Plan:
    """Hash every file of the folder, or of one collection, and every page that its lists name unless ``files_only``.

    ``on_file_hashed`` is called after each with whether it has to be read, and again and again while pages are fetched.
    A file, a list or a page that fails in whatever way becomes one of ``failed``; the others go on.

    Raises:
        StoreUnusable: fetched pages cannot be written down.
    """
    plan = Plan({}, {}, {}, collection=collection, is_full=is_full)
    known = {name: digest for name, digest in indexed.items() if plan.includes(name)}
    hashes: dict[str, str] = {}
    failed: dict[str, str] = {}
    unchecked: set[str] = set()
    try:
        scan = scan_folder(root)
    except Exception as error:  # noqa: BLE001 - what cannot be listed stays searchable
        scan = FolderScan([], Counter())
        failed["./"] = describe_failure(error, "the folder cannot be listed")
        unchecked.update(known)
    found_files = [found for found in scan.files if plan.includes(found.relative)]
    lists = [found for found in found_files if is_url_list(found.relative) and _is_list_of_addresses(root, found)]
    for found in found_files:
        if found in lists or parse_list_path(found.relative):
            continue
        try:
            hashes[found.relative] = hash_content(root, found)
        except Exception as error:  # noqa: BLE001 - one file must not end the run
            failed[found.relative] = describe_failure(error, "cannot be read")
        is_there = found.relative in hashes
        on_file_hashed(is_there and (is_full or known.get(found.relative) != hashes[found.relative]))
    if files_only:
        unchecked.update(name for name in known if parse_list_path(name) is not None)
        lists = []
    # What is kept of other collections' pages is not looked at, so nothing can be said to be needless.
    gathered = web.crawl(
        root,
        lists,
        known,
        lambda: on_file_hashed(False),  # noqa: FBT003 - the callback's one argument
        prune_pages=collection is None and not unchecked and not files_only,
    )
    for document, digest in gathered.digests.items():
        hashes[document] = _hash(digest)
        on_file_hashed(is_full or known.get(document) != hashes[document])
    return replace(
        plan,
        hashes=hashes,
        indexed=known,
        failed=failed | gathered.failed,
        unchecked=frozenset(gathered.unchecked | unchecked),
        pages_folder=web.folder,
        passed_over=dict(scan.passed_over),
    )


def _is_list_of_addresses(root: Path, found: FileEntry) -> bool:
    """Whether a file called ``urls.txt`` is a list of addresses and not prose; an unreadable one counts as a list."""
    try:
        return not found.size or is_url_list_text(decode_text(read_bytes(root, found.relative)))
    except DocumentUnreadable:
        return True


def hash_content(root: Path, found: FileEntry) -> str:
    """Return the hash of a file's content and of the versions of reader and splitter.

    Raises:
        DocumentUnreadable: It cannot be opened.
    """
    if found.fault:
        raise DocumentUnreadable(found.fault)
    return _hash(read_bytes(root, found.relative))


def hash_page(web: WebPages, document: str) -> str | None:
    """Do the same for a fetched page; return None if none is stored."""
    page = web.load_page(document)
    return None if page is None else _hash(page.digest)


def _hash(content: bytes) -> str:
    return hashlib.sha256(f"{READER_VERSION}\n{SPLITTER_VERSION}\n".encode() + content).hexdigest()


def refuse_mass_removal(plan: Plan) -> None:
    """Refuse a run that would empty the index, because a folder is not mounted, for example.

    Raises:
        IngestionRefused: more than half of what is searchable would go.
    """
    lost, before = len(set(plan.removed) - set(plan.moved)), len(plan.indexed)
    if before >= _MIN_DOCUMENTS_TO_CHECK and lost * 2 > before:
        raise IngestionRefused(
            f"{lost} of {before} searchable documents are no longer in the folder; nothing was changed. If they were"
            " deleted on purpose, run reindex with force."
        )
