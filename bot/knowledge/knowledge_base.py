"""Answers questions from the indexed documents, and keeps the index up to date."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Final, Self, cast

from llama_index.core.vector_stores.types import VectorStoreQueryMode

from bot.domain import (
    QUESTION_LIMIT,
    Answer,
    Attachment,
    IngestionReport,
    LibraryState,
    Progress,
    Question,
    ReindexRequest,
    Turn,
    collection_of,
)
from bot.domain.proxies import NO_PROXIES, Proxies
from bot.errors import (
    DocentError,
    IndexBuilding,
    IndexEmpty,
    IndexMovedAside,
    IngestionRefused,
    NothingFound,
    QuestionInvalid,
)
from bot.knowledge.answering.extractive import PASSAGES_READ, ExtractiveSynthesizer
from bot.knowledge.answering.postprocessors import (
    BestPassages,
    EvidenceFilter,
    NearCopyFilter,
    NeighbourMerger,
    SectionCompleter,
    TokenBudget,
)
from bot.knowledge.answering.prompt_budget import CONTEXT_TOKENS, PromptBudget
from bot.knowledge.answering.query_engine import GroundedQueryEngine
from bot.knowledge.answering.rerank import RemoteReranker, RerankChoice
from bot.knowledge.answering.retrieval import HybridRetriever, build_index
from bot.knowledge.answering.synthesis import GroundedSynthesizer, StreamedAnswer
from bot.knowledge.answering.vocabulary import WordChecker
from bot.knowledge.ingestion.attachments import read_attachment
from bot.knowledge.ingestion.ingestion import BATCH, IN_FLIGHT, Ingestion
from bot.knowledge.models.local import LocalEmbedding, LocalEmbeddingChoice, load_local_embedding
from bot.knowledge.models.model_errors import MODEL_ERRORS, map_model_error
from bot.knowledge.models.openai import (
    ANSWER_TOKENS,
    EmbeddingChoice,
    LanguageModelChoice,
    RemoteEmbedding,
    StreamingModel,
    build_embedding_model,
    build_language_model,
)
from bot.knowledge.sources.document_folder import DocumentFolder, sanitize_file_name, validate_collection_name
from bot.knowledge.sources.folder import collections_in
from bot.knowledge.sources.web.fetcher import NetworkPolicy
from bot.knowledge.splitting.splitter import count_tokens
from bot.knowledge.stores import FILE_NAME, open_store
from bot.knowledge.stores.store import NO_EMBEDDING
from bot.text.invisible import strip_invisible
from bot.text.search_terms import OTHER_SCRIPT, guess_language
from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.base.response.schema import AsyncStreamingResponse
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    from bot.domain import DocumentInfo, Scope, Source
    from bot.knowledge.answering.synthesis import PassageSynthesizer
    from bot.knowledge.stores.store import Store

SPOOL_NAME: Final = "reading.sqlite"
"""Name of the spool in the state folder: it keeps what a run has read, also after a crash."""

LOCAL_BATCH: Final = 16
"""Passages embedded at once on this machine: few, so that a run stops soon."""

MAX_CONCURRENT_READS: Final = 2
"""Attachments that are read at the same time, each in a process of its own."""

KEYWORDS_ONLY: Final = "Searched by keywords only: the embedding model did not answer."
READING_NOW: Final = "Documents are being read at the moment: ask again when that is done."

_NO_DOCUMENTS: Final = "There are no documents to answer from yet. Docent's operator needs to add some and reindex."
_RUN_REFUSED: Final = "No documents are searchable: reading them was refused or cancelled. Docent's log says why."

_SAMPLED_PASSAGES: Final = 50
"""Passages whose language is guessed, evenly chosen from the first ``_SAMPLE_RANGE``."""
_SAMPLE_RANGE: Final = 1_000

_MAX_LISTED_DOCUMENTS = 3  # documents named in an error message; the others are counted
_log = logging.getLogger(__name__)


class KnowledgeBase:
    """Answers from the documents under ``root``; an ``Answerer`` and a ``Library``."""

    def __init__(  # noqa: PLR0913 # its parts, each by name
        self,
        *,
        root: Path,
        store: Store,
        llm: StreamingModel | None,
        embedding: BaseEmbedding | None,
        window: int,
        answer_tokens: int = ANSWER_TOKENS,
        embed_tokens_per_run: int | None = None,
        spool: Path | None = None,
        rerankers: Sequence[BaseNodePostprocessor] = (),
        context_tokens: int = CONTEXT_TOKENS,
        proxies: Proxies = NO_PROXIES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._root = root
        self._store = store
        self._index = build_index(store, embedding)
        self._rerankers = rerankers
        self._context_tokens = context_tokens
        self._clock = clock
        self._llm = llm
        self._embedding = embedding
        self._window = window
        self._answer_tokens = answer_tokens
        self._running: Progress | None = None
        self._language = ""
        self.expects_first_run = False
        """Whether documents will be read soon if there are none; until then a question is told to wait."""
        self._empty_reason = _NO_DOCUMENTS
        self._document_folder = DocumentFolder(root)
        self._stop_events: set[Event] = set()
        self._automatic_run: tuple[Event, asyncio.Event] | None = None
        """Of an automatic run in progress: what ends it, and what says that it has ended."""
        self._closed = Event()
        self._read_semaphore = asyncio.Semaphore(MAX_CONCURRENT_READS)
        batch, in_flight = (LOCAL_BATCH, 1) if isinstance(embedding, LocalEmbedding) else (BATCH, IN_FLIGHT)
        embed = None if embedding is None else _build_embed_texts(embedding)
        self._ingestion = Ingestion(
            root,
            store,
            embed,
            store.embed_name,
            batch=batch,
            in_flight=in_flight,
            spool=spool,
            network_policy=NetworkPolicy(proxies=proxies),
            tokens_limit=None if isinstance(embedding, LocalEmbedding) else embed_tokens_per_run,
        )

    @classmethod
    def open(  # noqa: PLR0913 # the operator's choices
        cls,
        root: Path,
        state: Path,
        llm: LanguageModelChoice | None,
        embedding: EmbeddingChoice | LocalEmbeddingChoice | None,
        *,
        store_url: str | None = None,
        embed_tokens_per_run: int | None = None,
        context_tokens: int = CONTEXT_TOKENS,
        rerank: RerankChoice | None = None,
        proxies: Proxies = NO_PROXIES,
    ) -> Self:
        """Open the index and make every model ready, so that the first question is as quick as the later ones.

        Blocks for some seconds: call it in a thread. ``LocalEmbeddingChoice`` where the extra is not installed means
        keywords only.
        The index is a file in ``state``, or a database where ``store_url`` names one. One run sends no more than
        ``embed_tokens_per_run`` to an embedding model that is not on this machine.

        Raises:
            StoreUnusable: the index cannot be opened.
            SettingsInvalid: a model cannot be used as it was chosen.
        """
        model = _load_embedding(embedding)
        store = open_store(store_url or state / FILE_NAME, NO_EMBEDDING if model is None else model.model_name)
        store.preload()
        count_tokens("A first count loads the tokenizer.")
        if isinstance(model, LocalEmbedding):
            model.get_query_embedding("A first run sizes the session's buffers.")
        base = cls(
            root=root,
            store=store,
            llm=None if llm is None else build_language_model(llm),
            embedding=model,
            window=0 if llm is None else llm.window,
            answer_tokens=ANSWER_TOKENS if llm is None else llm.max_answer_tokens,
            embed_tokens_per_run=embed_tokens_per_run,
            spool=state / SPOOL_NAME,
            context_tokens=context_tokens,
            proxies=proxies,
            rerankers=() if rerank is None else (RemoteReranker(rerank),),
        )
        base._detect_language()
        return base

    async def answer(self, question: Question) -> Answer:
        """Find the passages and prepare the answer; the model is asked when the first delta is awaited.

        Raises:
            QuestionInvalid: it is empty or longer than 2,000 characters.
            IndexUnavailable: there is nothing to search yet.
            NothingFound: no passage shares anything with the question, and no file came with it; no model was asked.
            ContextTooLong: not one passage fits into the model's window beside the question.
            StoreUnusable: the index cannot be read.
        """
        question = _sanitize_question(question)
        asked = _validate_question_text(question.text)
        if self.expects_first_run or self._running is not None:
            await self._ensure_index()  # before a model is asked: whoever waits for the first run tries again and again
        writer = None if self._llm is None else self._llm.with_usage()
        condenser = None if self._llm is None else self._llm.with_usage()
        retriever = self.as_retriever(question.scope)
        words = WordChecker(self._store, question.scope, file_texts=[file.text for file in question.attachments])
        synthesizer, trimming = self._build_synthesizer(question, writer, words)
        engine = GroundedQueryEngine(
            question,
            retriever=retriever,
            node_postprocessors=[
                EvidenceFilter(
                    self._embedding,
                    has_other_context=bool(
                        question.attachments or (writer is not None and (question.conversation or question.images))
                    ),
                    has_model=writer is not None,
                ),
                *self._rerankers,
                *([] if writer is None else [NearCopyFilter(), SectionCompleter(self._store)]),
                trimming,
                NeighbourMerger(),
            ],
            response_synthesizer=synthesizer,
            condenser=condenser,
            words=words,
        )
        try:
            response = cast("AsyncStreamingResponse", await engine.aquery(asked))
        except NothingFound as error:
            await self._ensure_index()
            # What was not searched may hold the answer.
            hints = [
                KEYWORDS_ONLY if retriever.is_keywords_only else "",
                READING_NOW if self._running is not None else "",
            ]
            raise NothingFound(" ".join(filter(None, [str(error), *hints])), nearest=error.nearest) from error
        except IndexMovedAside as error:
            self.expects_first_run = True
            raise IndexBuilding("The index was damaged, and is being rebuilt from the documents.") from error
        if not response.source_nodes:
            await self._ensure_index()
        answer = StreamedAnswer(
            response,
            get_status=synthesizer.get_status,
            usage_counters=[model.usage_counter for model in (condenser, writer) if model is not None],
            notice=" ".join(filter(None, [words.notice, KEYWORDS_ONLY if retriever.is_keywords_only else ""])),
            searched_for="" if engine.search_text == asked else engine.search_text,
            is_confident=engine.is_confident,
        )
        answer.sources = await asyncio.to_thread(self._mark_changed, answer.sources)
        return answer

    def _build_synthesizer(
        self, question: Question, writer: StreamingModel | None, words: WordChecker
    ) -> tuple[PassageSynthesizer, BaseNodePostprocessor]:
        """Return what answers, and what cuts the passages to what it can read."""
        if writer is None:
            extractive = ExtractiveSynthesizer(self._embedding, attachments=question.attachments, words=words)
            return extractive, BestPassages(limit=PASSAGES_READ)
        budget = PromptBudget(
            self._window,
            self._answer_tokens,
            question.attachments,
            question.style,
            question.conversation,
            self._clock().date(),
            self._context_tokens,
            question.images,
        )
        return GroundedSynthesizer(writer, budget), TokenBudget(budget)

    @property
    def has_model(self) -> bool:
        """Whether a model writes the answers; otherwise documents are quoted."""
        return self._llm is not None

    @property
    def embedding(self) -> BaseEmbedding | None:
        """The model that embeds, None for keywords only."""
        return self._embedding

    def as_retriever(self, scope: Scope, mode: VectorStoreQueryMode = VectorStoreQueryMode.HYBRID) -> HybridRetriever:
        """Return the retriever of one question."""
        return HybridRetriever(self._index, scope, mode=mode)

    def list_collections(self) -> frozenset[str]:
        """Return every collection that is indexed or has a folder; blocks, so call it in a thread."""
        return frozenset(map(collection_of, self._store.manifest())) | collections_in(self._root)

    async def ensure_searchable(self, documents: Collection[str]) -> None:
        """Check that all of these documents are indexed.

        Raises:
            DocentError: some are not; the message names them.
        """
        missing = sorted(set(documents) - set(await asyncio.to_thread(self._store.manifest)))
        if missing:
            more = f" and {len(missing) - _MAX_LISTED_DOCUMENTS} more" if len(missing) > _MAX_LISTED_DOCUMENTS else ""
            raise DocentError(
                f"{', '.join(missing[:_MAX_LISTED_DOCUMENTS])}{more} cannot be searched: "
                "reindex, or name the folder they are in."
            )

    async def state(self) -> LibraryState:
        """Return what is searchable now, and the run in progress."""
        counts, generation = await asyncio.to_thread(lambda: (self._store.counts(), self._store.generation()))
        return LibraryState(
            counts.documents,
            counts.nodes,
            self._store.embed_name,
            self._running,
            generation=generation.number,
            built_at=generation.built,
            language=self._language,
            can_read_language=not isinstance(self._embedding, LocalEmbedding)
            or self._embedding.can_read(self._language),
        )

    def _detect_language(self) -> None:
        """Note the language of most documents, by some of their passages, and tell a local model; blocks."""
        texts = [node.text for node in islice(self._store.nodes(), _SAMPLE_RANGE)]
        languages = Counter(map(guess_language, texts[:: max(1, len(texts) // _SAMPLED_PASSAGES)]))
        self._language = (languages.most_common(1)[0][0] or OTHER_SCRIPT) if languages else ""
        if isinstance(self._embedding, LocalEmbedding) and self._language:
            self._embedding.set_document_language(self._language)

    async def reindex(
        self,
        request: ReindexRequest | None = None,
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        """Bring the index up to what the folder holds, in a thread; ``on_progress`` is called in that thread.

        Cancelling the task that waits ends the run soon, as ``cancel`` does. An automatic run in progress is ended
        first, unless this one is automatic too.

        Raises:
            IngestionRefused: a run is going on already, there is no such collection, it was cancelled, or it would
                cost too much or delete most of what is searchable.
            StoreUnusable: the index cannot be written.
            AnswerUnavailable: the embedding model failed.
        """
        request = request or ReindexRequest()
        is_only_run = not self._stop_events
        try:
            report = await self._run_ingestion(request, on_progress)
        except DocentError as error:
            if is_only_run and not request.dry_run:
                self._empty_reason = _describe_failed_run(error)
            raise
        if not request.dry_run:
            self._empty_reason = _describe_empty_run(report)
        return report

    async def _run_ingestion(
        self, request: ReindexRequest, on_progress: Callable[[Progress], None] | None
    ) -> IngestionReport:
        ending, ended = Event(), asyncio.Event()

        def report_progress(progress: Progress) -> None:
            if not ending.is_set():
                self._running = progress
            if on_progress is not None:
                on_progress(progress)

        run = partial(
            self._ingestion.run,
            collection=request.collection,
            full=request.full,
            dry_run=request.dry_run,
            force=request.force,
            files_only=request.files_only,
        )
        if self._automatic_run is not None and not request.is_automatic:
            self._automatic_run[0].set()
            await self._automatic_run[1].wait()
        self._stop_events.add(ending)
        if request.is_automatic and self._automatic_run is None:
            self._automatic_run = ending, ended
        try:
            report = await asyncio.to_thread(run, on_progress=report_progress, stop_event=ending)
            await asyncio.to_thread(self._store.preload)
            await asyncio.to_thread(self._detect_language)
        except asyncio.CancelledError:
            ending.set()  # the thread does not know that nobody waits for it
            raise
        finally:
            self._stop_events.discard(ending)
            if self._automatic_run == (ending, ended):
                self._automatic_run = None
            ended.set()
            if not self._stop_events:  # one that was refused is not the one in progress
                self._running = None
            if not request.dry_run:
                self.expects_first_run = False
        return report

    def cancel(self) -> bool:
        """Have the run in progress end soon with IngestionRefused, the old index still serving; False if none is."""
        for ending in self._stop_events:
            ending.set()
        return bool(self._stop_events)

    async def read(self, name: str, content: bytes) -> Attachment:
        """Read a file that came with a question, in a process with limits; nothing of it is kept.

        Raises:
            DocumentUnreadable: it is damaged, locked, too large or of no known format; the words say which.
        """
        async with self._read_semaphore:
            return await asyncio.to_thread(read_attachment, name, content, is_stopped=self._closed.is_set)

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """Return a vector for each text, in their order; None without an embedding model, or if it failed."""
        if self._embedding is None:
            return None
        try:
            return await asyncio.to_thread(self._embedding.get_text_embedding_batch, list(texts))
        except Exception as error:  # noqa: BLE001 - whatever a model's server and its library come up with
            _log.warning("Embedding %d texts failed: %s", len(texts), type(error).__name__)
            return None

    async def list_documents(self, scope: Scope) -> Sequence[DocumentInfo]:
        """The searchable documents inside a scope, by path.

        Raises:
            StoreUnusable: the index cannot be read.
        """
        return await asyncio.to_thread(self._store.list_documents, scope.collections)

    async def add(self, collection: str, name: str, content: bytes) -> str:
        """Put a file into a collection's folder, once it has been read like any other; gives its document's path.

        Raises:
            DocumentUnreadable: it cannot be read, the words say why; or no collection may be called that.
            StoreUnusable: the folder cannot be written.
        """
        validate_collection_name(collection)
        await self.read(sanitize_file_name(name), content)
        return await asyncio.to_thread(self._document_folder.add, collection, name, content)

    async def add_page(self, collection: str, url: str) -> str:
        """Put a web page's address on the collection's list; gives the address as it stands there.

        Raises:
            DocumentUnreadable: it is no public http or https address, or no collection may be called that.
            StoreUnusable: the folder cannot be written.
        """
        return await asyncio.to_thread(self._document_folder.add_page, collection, url)

    async def remove(self, document: str) -> bool:
        """Take a document's file out of the folder, or a page off its list; False if there is none.

        Raises:
            StoreUnusable: the folder cannot be written.
        """
        return await asyncio.to_thread(self._document_folder.remove, document)

    async def close(self) -> None:
        """Stop a run, and close the connections to models and index."""
        self._closed.set()
        self._ingestion.stop()
        if self._llm is not None:
            await self._llm.aclose()
        if isinstance(self._embedding, RemoteEmbedding):
            await self._embedding.aclose()
        for reranker in self._rerankers:
            if isinstance(reranker, RemoteReranker):
                await reranker.aclose()
        await asyncio.to_thread(self._store.close)

    def _mark_changed(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """The sources, marked where a document's file is another one by now. Only a file with a new date is read."""
        dates = {source.document: source.date for source in sources if source.date is not None}
        changed = {
            document
            for document, date in dates.items()
            if _read_modified_time(self._root / document) != date and self._ingestion.has_changed(document)
        }
        return tuple(replace(source, is_changed=source.document in changed) for source in sources)

    async def _ensure_index(self) -> None:
        """Raise what to tell the asker if there is nothing to search yet."""
        state = await self.state()
        if state.nodes:
            self.expects_first_run = False
            return
        if state.running is not None:
            done, total = state.running.files_done, state.running.files_total
            raise IndexBuilding(
                f"The documents are being read for the first time: {done} of {total} files so far. Ask again soon.",
                files_done=done,
                files_total=total,
            )
        if self.expects_first_run:
            raise IndexBuilding("The documents are about to be read for the first time. Ask again soon.")
        raise IndexEmpty(self._empty_reason)


def _describe_failed_run(error: DocentError) -> str:
    """Return why nothing is searchable after a run that failed; without paths, for anybody may read it."""
    if isinstance(error, IngestionRefused):
        return _RUN_REFUSED
    return f"No documents are searchable: reading them failed. {error.user_message}"


def _describe_empty_run(report: IngestionReport) -> str:
    """Return why nothing is searchable after a run that ended."""
    if report.failed:
        count = format_count(len(report.failed), "document")
        return f"No documents are searchable: {count} could not be read. Docent's log has the reasons."
    if report.passed_over:
        return "No documents are searchable: the documents' folder holds only files of formats that are not read."
    return _NO_DOCUMENTS


def _read_modified_time(path: Path) -> datetime | None:
    """Return when a file was last changed, to the second; None if it is gone."""
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    except OSError:
        return None


def _sanitize_question(question: Question) -> Question:
    """Return the question and its conversation without invisible characters, which only the model would read."""
    said = [
        Turn(strip_invisible(turn.speaker), strip_invisible(turn.text), turn.is_answer)
        for turn in question.conversation
    ]
    return replace(
        question,
        text=strip_invisible(question.text),
        conversation=tuple(said),
        speaker=strip_invisible(question.speaker),
    )


def _validate_question_text(text: str) -> str:
    if not text.strip():
        raise QuestionInvalid("The question is empty. Write what you would like to know.")
    if len(text) > QUESTION_LIMIT:
        raise QuestionInvalid(f"The question has {len(text):,} characters; {QUESTION_LIMIT:,} are the most.")
    return text.strip()


def _load_embedding(choice: EmbeddingChoice | LocalEmbeddingChoice | None) -> BaseEmbedding | None:
    match choice:
        case EmbeddingChoice():
            return build_embedding_model(choice)
        case LocalEmbeddingChoice():
            model = load_local_embedding(choice)
            if model is None:
                _log.warning("the extra 'local' is not installed: documents are searched by keywords only")
            elif choice.is_multilingual and not model.can_read("de"):
                _log.warning("the extra 'multilingual' is not installed: only English is embedded")
            return model
        case None:
            return None


def _build_embed_texts(embedding: BaseEmbedding) -> Callable[[Sequence[str]], list[list[float]]]:
    """Return a function that embeds texts and raises our errors."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        try:
            return embedding.get_text_embedding_batch(list(texts))
        except MODEL_ERRORS as error:
            raise map_model_error(error, setting="EMBED_MODEL") from error

    return embed
