"""Runs one plan: reads the changed files, embeds their passages, and updates the index in one transaction."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bot.domain import IngestionReport, Progress
from bot.errors import DocumentUnreadable, IngestionRefused
from bot.knowledge.ingestion.embedding_requests import EmbeddingRequests, estimate_dollars
from bot.knowledge.ingestion.near_copies import find_better_formats, is_near_copy
from bot.knowledge.ingestion.worker import Passage, ReaderCrashed, ReaderProcess
from bot.knowledge.readers import LEFT_OUT, NOTE, title_from_path
from bot.knowledge.sources.web.addresses import parse_list_path
from bot.knowledge.splitting.splitter import build_passage_node, count_tokens, get_searchable_text, hash_passage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from llama_index.core.schema import TextNode

    from bot.knowledge.ingestion.plan import Plan
    from bot.knowledge.ingestion.spool import Spool, SpooledFile
    from bot.knowledge.stores.store import Store

_POLL_SECONDS = 0.2  # seconds between two looks at whether the run is to stop
_COPY_OF = f"{LEFT_OUT}the same text as "
_LOOKUP_BATCH = 500  # passages whose vectors are looked for at once


class _BaseRun:
    """Reads the changed files, in the worker process or from the spool: what every run does first."""

    def __init__(self, plan: Plan, store: Store, spool: Spool) -> None:
        self._plan = plan
        self._store = store
        self._spool = spool
        self._old_names = {new: old for old, new in plan.moved.items()}
        self._read_hashes: dict[str, str] = {}
        self._failed = dict(plan.failed)
        self._left_out: dict[str, str] = {}
        self._better_formats = find_better_formats(plan.hashes)
        self._texts: dict[str, list[str]] = {}
        """Texts of documents that are there in several formats, as far as they have been looked at."""
        self._notes: dict[str, str] = {}
        self._tried_before: set[str] = set()
        self._node_count = 0
        self.is_committed = False
        """Whether the index has been updated: then the run can no longer be stopped."""

    def _read_passages(self, child: ReaderProcess, root: Path) -> Iterator[tuple[str, list[Passage] | None]]:
        """Yield each document that can be read, with its passages; None while the child is reading it."""
        spooled = {} if self._plan.is_full else self._spool.load_files()
        fresh: list[str] = []
        for document in sorted(self._plan.to_read, key=lambda name: len(self._better_formats.get(name, ()))):
            known = spooled.get(document)
            if known is None or not self._is_current(document, known):
                fresh.append(document)
            elif known.fault:
                self._note_fault(document, known.fault)
            else:
                yield document, self._accept(document, list(self._spool.load_passages([document])))
        for document, outcome in self._read_documents(child, root, fresh):
            if outcome is None:
                yield document, None
            elif isinstance(outcome, DocumentUnreadable):
                self._refuse(document, outcome)
            elif not outcome:
                self._refuse(document, DocumentUnreadable("no text below its headings"))
            elif original := self._find_original(document, [passage.text for passage in outcome]):
                self._refuse(document, DocumentUnreadable(f"{_COPY_OF}{original}"))
            else:
                self._spool_if_needed(document, outcome)
                yield document, self._accept(document, outcome)

    def _is_current(self, document: str, known: SpooledFile) -> bool:
        """Whether what was read of a document in an earlier run still holds, so that it need not be read again."""
        if known.digest != self._plan.hashes[document]:
            return False
        if not known.is_final:
            self._tried_before.add(document)
        if known.fault.startswith(_COPY_OF):
            original = known.fault.removeprefix(_COPY_OF)
            return original in self._plan.hashes and self._plan.is_unchanged(original)
        return known.is_final

    def _read_documents(
        self, child: ReaderProcess, root: Path, documents: Sequence[str]
    ) -> Iterator[tuple[str, list[Passage] | DocumentUnreadable | None]]:
        """Read files of the folder, then fetched pages, in the worker process."""
        yield from child.read_passages(root, [name for name in documents if parse_list_path(name) is None])
        if self._plan.pages_folder is not None and (
            pages := [name for name in documents if parse_list_path(name) is not None]
        ):
            yield from child.read_passages(self._plan.pages_folder, pages)

    def _accept(self, document: str, passages: list[Passage]) -> list[Passage]:
        self._read_hashes[document] = self._plan.hashes[document]
        self._node_count += len(passages)
        if passages and (note := passages[0].metadata.get(NOTE)):
            self._notes[document] = str(note)
        return passages

    def _refuse(self, document: str, fault: DocumentUnreadable) -> None:
        self._note_fault(document, fault.user_message)

    def _note_fault(self, document: str, fault: str) -> None:
        if fault.startswith(LEFT_OUT):
            self._left_out[document] = fault.removeprefix(LEFT_OUT)
        else:
            self._failed[document] = fault

    def _find_original(self, document: str, texts: list[str]) -> str | None:
        """Return the document that says the same in a better format, if there is one; leave out worse formats of this.

        Worse formats were read before, in an earlier run: in this one the better formats come first.
        """
        worse = [name for name, better in self._better_formats.items() if document in better]
        better = [name for name in self._better_formats.get(document, ()) if name not in self._left_out]
        if not (worse or better):
            return None
        self._load_indexed_texts([*better, *worse])
        original = next((name for name in better if is_near_copy(texts, self._texts.get(name, ()))), None)
        if original is None:
            self._texts[document] = texts
            for name in worse:
                if self._plan.is_unchanged(name) and is_near_copy(self._texts.get(name, ()), texts):
                    self._refuse(name, DocumentUnreadable(f"{_COPY_OF}{document}"))
        return original

    def _load_indexed_texts(self, documents: Sequence[str]) -> None:
        missing = {name for name in documents if name not in self._texts and self._plan.is_unchanged(name)}
        if missing:
            self._texts |= {name: [] for name in missing}
            for node in self._store.nodes():
                if (name := str(node.metadata["document"])) in missing:
                    self._texts[name].append(node.text)

    @property
    def _removed(self) -> list[str]:
        """Searchable documents that will be no more: they are gone, or are left out now."""
        return sorted({*self._plan.removed, *(self._left_out.keys() & self._plan.indexed.keys())})

    def _spool_if_needed(self, document: str, passages: Sequence[Passage]) -> None:
        """Store passages if the run will need them again; a dry run does not."""

    def _find_missing_texts(self, document: str, passages: Sequence[Passage]) -> dict[str, str]:
        """Return the searchable texts, by hash, of the passages that have no vector."""
        by_hash = {passage.hash: passage for passage in passages}
        missing = self._store.missing_vectors(by_hash)
        if missing and (origin := self._old_names.get(document)):
            missing = self._exclude_moved(missing, by_hash, origin, document)
        return {digest: get_searchable_text(_build_node(by_hash[digest])) for digest in missing}

    def _exclude_moved(
        self, missing: set[str], by_hash: Mapping[str, Passage], old_name: str, document: str
    ) -> set[str]:
        """Return those that were not embedded under the file's old name either, which may have been its title."""
        twins = {
            digest: hash_passage(_build_node(_rename_passage(by_hash[digest], document, old_name)))
            for digest in missing
        }
        unknown = self._store.missing_vectors(set(twins.values()))
        self._reuse({digest: twin for digest, twin in twins.items() if twin not in unknown})
        return {digest for digest, twin in twins.items() if twin in unknown}

    def _reuse(self, pairs: Mapping[str, str]) -> None:
        """Copy vectors to passages from equal ones under another title."""

    def _build_progress(self, nodes_done: int, document: str = "") -> Progress:
        read = len(self._read_hashes) + len(self._left_out.keys() & set(self._plan.to_read))
        done = read + len(self._failed) - len(self._plan.failed) - self._unfinished
        return Progress(
            done, len(self._plan.to_read), nodes_done, document, len(self._failed), waiting=self._waiting_seconds
        )

    @property
    def _waiting_seconds(self) -> float:
        """For how many seconds the embedding model has been failing."""
        return 0.0

    @property
    def _unfinished(self) -> int:
        """The number of files that were read and have passages without vectors."""
        return 0

    def _build_report(
        self, *, embedded: int, is_dry: bool, tokens: int = 0, price: float | None = None
    ) -> IngestionReport:
        read = [name for name in sorted(self._read_hashes) if not self._plan.is_unchanged(name)]
        return IngestionReport(
            new=[name for name in read if name not in self._plan.indexed],
            changed=[name for name in read if name in self._plan.indexed],
            removed=self._removed,
            unchanged=sum(
                map(self._plan.is_unchanged, self._plan.hashes.keys() - self._failed.keys() - self._left_out.keys())
            ),
            failed=dict(sorted(self._failed.items())),
            left_out=dict(sorted(self._left_out.items())),
            nodes=self._node_count,
            embedded=embedded,
            is_dry_run=is_dry,
            passed_over=self._plan.passed_over,
            notes=dict(sorted(self._notes.items())),
            moved={old: new for old, new in self._plan.moved.items() if new in self._read_hashes},
            tokens=tokens,
            dollars=price,
        )

    def _will_remain(self, node: TextNode) -> bool:
        """Whether a searchable passage will be one after this run."""
        document = str(node.metadata["document"])
        return document not in self._read_hashes and document not in self._removed


class DryRun(_BaseRun):
    """Finds out what would change and what it would cost: everything is read, nothing is embedded or stored."""

    def __init__(self, plan: Plan, store: Store, spool: Spool, *, has_model: bool) -> None:
        super().__init__(plan, store, spool)
        self._has_model = has_model
        self._texts_to_embed: set[str] = set()
        self._tokens = 0

    def execute(self, child: ReaderProcess, root: Path) -> Generator[Progress]:
        """Do the work, a file at a time."""
        yield self._build_progress(0, next(iter(self._plan.to_read), ""))
        for document, passages in self._read_passages(child, root):
            if passages is not None and self._has_model:
                self._count(self._find_missing_texts(document, passages))
            yield self._build_progress(self._node_count, document)
        if self._has_model:
            for node in self._store.nodes_without_vector():
                if self._will_remain(node):
                    self._count({hash_passage(node): get_searchable_text(node)})
        yield self._build_progress(self._node_count)

    def report(self) -> IngestionReport:
        """What would change."""
        price = estimate_dollars(self._store.embed_name, self._tokens)
        return self._build_report(embedded=len(self._texts_to_embed), is_dry=True, tokens=self._tokens, price=price)

    def _count(self, texts: Mapping[str, str]) -> None:
        fresh = {digest: text for digest, text in texts.items() if digest not in self._texts_to_embed}
        self._texts_to_embed.update(fresh)
        self._tokens += sum(count_tokens(text) for text in fresh.values())


class Run(_BaseRun):
    """Updates the index: passages stay in the spool until all have vectors, and are then made searchable together."""

    def __init__(  # noqa: PLR0913 - its parts, and the operator's two choices by name
        self,
        plan: Plan,
        store: Store,
        spool: Spool,
        requests: EmbeddingRequests | None,
        *,
        batch: int,
        tokens_limit: int | None = None,
    ) -> None:
        super().__init__(plan, store, spool)
        self._requests = requests
        self._batch = batch
        self._tokens_limit = tokens_limit
        self._tokens = 0
        self._queued_texts: dict[str, str] = {}
        self._sent: set[str] = set()
        self._requested_count = 0
        self._requested_after_file: list[int] = []
        """For each file that was read, how many vectors had been requested up to its end."""

    def execute(self, child: ReaderProcess, root: Path) -> Generator[Progress]:
        """Do the work, a file or a batch at a time."""
        yield self._build_progress(0, next(iter(self._plan.to_read), ""))
        for document, passages in self._read_passages(child, root):
            if passages is not None:
                self._queue_texts(self._find_missing_texts(document, passages) if self._requests else {})
                self._requested_after_file.append(self._requested_count)
            yield from self._send(document)
            yield self._build_progress(self._nodes_done, document)
        if self._requests is not None:
            yield from self._embed_missing()
            # What was embedded shows the model's dimension. Where nothing was, a full run asks for one vector.
            if self._plan.is_full and not self._requests.embedded and self._requests.probe_model():
                yield from self._embed_missing()
        yield self._build_progress(self._nodes_done)
        if self._has_changes():
            nodes = (_build_node(passage) for passage in self._spool.load_passages(self._read_hashes))
            # Other collections' passages that wait for their place have vectors that no passage in place needs.
            is_whole = self._plan.collection is None
            self._store.replace(self._read_hashes, nodes, removed=self._removed, prune_vectors=is_whole)
        self.is_committed = True
        self._spool.clear(self._plan.hashes, includes=self._plan.includes)
        yield self._build_progress(self._node_count)

    def report(self) -> IngestionReport:
        """What has changed."""
        return self._build_report(embedded=self._requests.embedded if self._requests else 0, is_dry=False)

    def _embed_missing(self) -> Iterator[Progress]:
        """Until nothing is: the model may turn out to be another one now, and old vectors to be of no use."""
        for _ in range(2):
            for document in self._read_hashes:
                passages = self._spool.load_passages([document])
                while part := list(islice(passages, _LOOKUP_BATCH)):
                    self._queue_texts(self._find_missing_texts(document, part))
                    yield from self._send("")
            for node in self._store.nodes_without_vector():
                if self._will_remain(node):
                    self._queue_texts({hash_passage(node): get_searchable_text(node)})
                    yield from self._send("")
            yield from self._send("", is_last=True)
            self._sent.clear()

    def _has_changes(self) -> bool:
        """Whether what is searched would be another after this run."""
        if self._read_hashes or self._removed:
            return True
        counts = self._store.counts()
        return self._requests is not None and counts.embedded < counts.nodes

    def _refuse(self, document: str, fault: DocumentUnreadable) -> None:
        super()._refuse(document, fault)
        is_final = not isinstance(fault, ReaderCrashed) or document in self._tried_before
        self._spool.put_fault(document, self._plan.hashes[document], fault.user_message, is_final=is_final)

    def _spool_if_needed(self, document: str, passages: Sequence[Passage]) -> None:
        self._spool.put(document, self._plan.hashes[document], passages)

    def _reuse(self, pairs: Mapping[str, str]) -> None:
        self._store.reuse_vectors(pairs)

    @property
    def _waiting_seconds(self) -> float:
        return self._requests.waiting_seconds if self._requests else 0.0

    @property
    def _nodes_done(self) -> int:
        return max(self._node_count - self._requested_count + self._received_count, 0)

    @property
    def _unfinished(self) -> int:
        return len(self._requested_after_file) - bisect_right(self._requested_after_file, self._received_count)

    @property
    def _received_count(self) -> int:
        """The number of vectors that arrived; nearly in order, because few requests are sent at the same time."""
        return self._requests.embedded if self._requests else 0

    def _queue_texts(self, texts: Mapping[str, str]) -> None:
        """Queue the texts that have not been sent already."""
        before = len(self._queued_texts)
        self._queued_texts.update((digest, text) for digest, text in texts.items() if digest not in self._sent)
        self._requested_count += len(self._queued_texts) - before

    def _send(self, document: str, *, is_last: bool = False) -> Iterator[Progress]:
        """Send full batches, and at the end the rest; wait while as many are being embedded as are allowed."""
        if self._requests is None:
            return
        while len(self._queued_texts) >= (1 if is_last else self._batch):
            while self._requests.is_full:
                self._requests.collect_results(_POLL_SECONDS)
                yield self._build_progress(self._nodes_done, document)
            batch = dict(islice(self._queued_texts.items(), self._batch))
            yield from self._check_token_limit(batch, document)
            self._requests.send(batch)
            self._sent.update(batch)
            for digest in batch:
                del self._queued_texts[digest]
        self._requests.collect_results(0)
        while is_last and not self._requests.is_idle:
            self._requests.collect_results(_POLL_SECONDS)
            yield self._build_progress(self._nodes_done, document)

    def _check_token_limit(self, batch: Mapping[str, str], document: str) -> Iterator[Progress]:
        """Refuse a batch that exceeds the token limit of the run, after waiting for the batches that were sent.

        Raises:
            IngestionRefused: The limit would be exceeded.
        """
        if self._tokens_limit is None or self._requests is None:
            return
        self._tokens += sum(map(count_tokens, batch.values()))
        if self._tokens <= self._tokens_limit:
            return
        while not self._requests.is_idle:
            self._requests.collect_results(_POLL_SECONDS)
            yield self._build_progress(self._nodes_done, document)
        others = (text for digest, text in self._queued_texts.items() if digest not in batch)
        raise IngestionRefused(
            f"This run would embed {self._tokens + sum(map(count_tokens, others)):,} tokens at least, and"
            f" EMBED_TOKENS_PER_RUN allows {self._tokens_limit:,}; the old index still serves. What was embedded is"
            " kept: run reindex again to go on from there, or have whoever runs Docent raise the limit."
        )


def _build_node(passage: Passage) -> TextNode:
    metadata = {name: value for name, value in passage.metadata.items() if name != NOTE}
    return build_passage_node(passage.text, metadata, node_id=passage.node_id)


def _rename_passage(passage: Passage, name: str, old_name: str) -> Passage:
    """Return the passage as it was under its file's old name, if its title is that name."""
    titles = {
        title_from_path(name): title_from_path(old_name),
        PurePosixPath(name).name: PurePosixPath(old_name).name,
    }
    title = str(passage.metadata["title"])
    return Passage(passage.node_id, passage.text, {**passage.metadata, "title": titles.get(title, title)}, passage.hash)
