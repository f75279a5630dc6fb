"""The room's one object: a question or a re-index goes in at the door, an answer or a report comes out."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Final, Self

from bot.domain import (
    QUESTION_LIMIT,
    Answer,
    Attachment,
    IngestionReport,
    LibraryState,
    Progress,
    Question,
    Turn,
    collection_of,
)
from bot.errors import DocentError, IndexBuilding, IndexEmpty, NothingFound, QuestionInvalid
from bot.knowledge.answering.condense_question import self_contained, stands_alone
from bot.knowledge.answering.extractive import quoted
from bot.knowledge.answering.retrieval import FusedRetriever, nearest_titles
from bot.knowledge.answering.synthesis import Reading, readable, written
from bot.knowledge.ingestion.attachments import read_attached, searched_with
from bot.knowledge.ingestion.ingestion import BATCH, IN_FLIGHT, Ingestion
from bot.knowledge.models.local import Local, LocalEmbedding, local_embedding
from bot.knowledge.models.openai import (
    ANSWER_TOKENS,
    MODEL_FAULTS,
    EmbeddingChoice,
    LanguageModelChoice,
    RemoteEmbedding,
    StreamingModel,
    embedding_model,
    language_model,
    named_fault,
)
from bot.knowledge.readers import collections_in
from bot.knowledge.sources.document_folder import Shelf, ensure_name, safe_name
from bot.knowledge.splitting.splitter import token_count
from bot.knowledge.stores import FILE_NAME, open_store
from bot.knowledge.stores.store import NO_EMBEDDING
from bot.text.citations import escape_markdown
from bot.text.invisible import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import NodeWithScore

    from bot.domain import DocumentInfo, Scope, Source
    from bot.knowledge.answering.retrieval import Reranker
    from bot.knowledge.answering.synthesis import StreamedAnswer
    from bot.knowledge.stores.store import Store

SPOOL_NAME: Final = "reading.sqlite"
"""Where what a run has read outlives a crash, inside the folder for state."""

LOCAL_BATCH: Final = 16
"""Passages embedded at once on this machine: few, so that a run can be stopped soon."""

READ_AT_ONCE: Final = 2
"""Files that came with questions and are read side by side: each has a child process of its own."""

KEYWORDS_ONLY: Final = "Searched by keywords only: the embedding model did not answer."

_NAMED = 3  # documents named in a complaint; the others are counted
_log = logging.getLogger(__name__)


class KnowledgeBase:
    """Answers from the documents under ``root``; an ``Answerer`` and a ``Library``. Opened once, closed once."""

    def __init__(  # noqa: PLR0913 # its parts, each by name
        self,
        *,
        root: Path,
        store: Store,
        language: StreamingModel | None,
        embedding: BaseEmbedding | None,
        window: int,
        answer_tokens: int = ANSWER_TOKENS,
        embed_tokens_per_run: int | None = None,
        spool: Path | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._root = root
        self._store = store
        self._reranker = reranker
        self._language = language
        self._embedding = embedding
        self._window = window
        self._answer_tokens = answer_tokens
        self._running: Progress | None = None
        self._shelf = Shelf(root)
        self._endings: set[Event] = set()
        self._closed = Event()
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        batch, in_flight = (LOCAL_BATCH, 1) if isinstance(embedding, LocalEmbedding) else (BATCH, IN_FLIGHT)
        embed = None if embedding is None else _embedder(embedding)
        self._ingestion = Ingestion(
            root,
            store,
            embed,
            store.embed_name,
            batch=batch,
            in_flight=in_flight,
            spool=spool,
            tokens_limit=None if isinstance(embedding, LocalEmbedding) else embed_tokens_per_run,
        )

    @classmethod
    def open(  # noqa: PLR0913 # the operator's choices
        cls,
        root: Path,
        state: Path,
        language: LanguageModelChoice | None,
        embedding: EmbeddingChoice | Local | None,
        *,
        store_url: str | None = None,
        embed_tokens_per_run: int | None = None,
    ) -> Self:
        """Open the index and make every model ready, so that the first question is as quick as the later ones.

        Blocks for some seconds: call it in a thread. ``Local`` where the extra is not installed means keywords only.
        The index is a file in ``state``, or a database where ``store_url`` names one. One run sends no more than
        ``embed_tokens_per_run`` to an embedding model that is not on this machine.

        Raises:
            StoreUnusable: the index cannot be opened.
            SettingsInvalid: a model cannot be used as it was chosen.
        """
        model = _opened_embedding(embedding)
        store = open_store(store_url or state / FILE_NAME, NO_EMBEDDING if model is None else model.model_name)
        store.preload()
        token_count("A first count loads the tokenizer.")
        if isinstance(model, LocalEmbedding):
            model.get_query_embedding("A first run sizes the session's buffers.")
        return cls(
            root=root,
            store=store,
            language=None if language is None else language_model(language),
            embedding=model,
            window=0 if language is None else language.window,
            answer_tokens=ANSWER_TOKENS if language is None else language.longest_answer,
            embed_tokens_per_run=embed_tokens_per_run,
            spool=state / SPOOL_NAME,
        )

    async def answer(self, question: Question) -> Answer:
        """Find the passages and make ready to answer.

        Raises:
            QuestionInvalid: it is empty or longer than 2,000 characters.
            IndexUnavailable: there is nothing to search yet.
            NothingFound: no passage shares anything with the question, and no file came with it; no model was asked.
            ContextTooLong: not one passage fits into the model's window beside the question.
            StoreUnusable: the index cannot be read.
        """
        question = _plain(question)
        asked = _checked(question.text)
        rewriter = None if self._language is None else self._language.watched()
        # What came with the question is what it points at, not what was said before.
        text = asked if question.attachments else (await self_contained(question, rewriter)).strip()
        retriever = self.retriever(question.scope)
        hits = await retriever.aretrieve(searched_with(text, question.attachments))
        if not hits or retriever.evidence.is_empty:
            await self._explain_nothing(nearest_titles(hits), has_files=bool(question.attachments))
            hits = []
        if self._language is not None:
            answer = await self._written(self._language, text, hits, question)
        else:
            embedding = None if retriever.is_keywords_only else self._embedding
            answer = await quoted(text, hits, embedding, cosines=retriever.cosines, attached=question.attachments)
        answer.notice = KEYWORDS_ONLY if retriever.is_keywords_only else ""
        if rewriter is not None:
            answer.tallies = (rewriter.tally, *answer.tallies)
        answer.searched_for = "" if text == asked else text
        # One word, or a question that points at something unsaid, is covered by any passage that happens to hold it.
        answer.is_confident = retriever.evidence.is_clear and stands_alone(text)
        answer.sources = await asyncio.to_thread(self._compared, answer.sources)
        return answer

    async def _written(
        self, model: StreamingModel, text: str, hits: Sequence[NodeWithScore], question: Question
    ) -> StreamedAnswer:
        asked = question.text.strip()
        put = text if text == asked else f"{asked}\nThat is: {text}"
        reading = await asyncio.to_thread(  # counting the tokens of long files takes more time than the loop has
            readable,
            hits,
            put,
            window=self._window,
            answer_tokens=self._answer_tokens,
            beside=Reading(files=question.attachments, manner=question.style),
        )
        return await written(put, reading, model)

    @property
    def has_model(self) -> bool:
        """Whether a model writes the answers; otherwise documents are quoted."""
        return self._language is not None

    @property
    def embedding(self) -> BaseEmbedding | None:
        """The model that embeds, None for keywords only."""
        return self._embedding

    def retriever(self, scope: Scope) -> FusedRetriever:
        """What finds the passages of one question."""
        return FusedRetriever(self._store, self._embedding, scope, reranker=self._reranker)

    def collections(self) -> frozenset[str]:
        """Every collection there is something to search in, or a folder for it. It blocks: call it in a thread."""
        return frozenset(map(collection_of, self._store.manifest())) | collections_in(self._root)

    async def ensure_searchable(self, documents: Collection[str]) -> None:
        """See to it that all of these can be found.

        Raises:
            DocentError: some cannot, and the words name them.
        """
        missing = sorted(set(documents) - set(await asyncio.to_thread(self._store.manifest)))
        if missing:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            raise DocentError(
                f"{', '.join(missing[:_NAMED])}{more} cannot be searched: reindex, or name the folder they are in."
            )

    async def state(self) -> LibraryState:
        """What is searchable now, and the run in progress."""
        counts, generation = await asyncio.to_thread(lambda: (self._store.counts(), self._store.generation()))
        return LibraryState(
            counts.documents,
            counts.nodes,
            self._store.embed_name,
            self._running,
            generation=generation.number,
            built_at=generation.built,
        )

    async def reindex(
        self,
        *,
        collection: str | None = None,
        full: bool = False,
        dry_run: bool = False,
        force: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        """Bring the index up to what the folder holds, in a thread; ``on_progress`` is called in that thread.

        ``collection`` looks at that one alone, ``full`` reads what has not changed as well. Whoever cancels the task
        that waits has the run end soon, as ``cancel`` does.

        Raises:
            IngestionRefused: a run is going on already, there is no such collection, it was cancelled, or it would
                cost too much or delete most of what is searchable.
            StoreUnusable: the index cannot be written.
            AnswerUnavailable: the embedding model failed.
        """
        ending = Event()

        def note(progress: Progress) -> None:
            if not ending.is_set():
                self._running = progress
            if on_progress is not None:
                on_progress(progress)

        run = partial(self._ingestion.run, collection=collection, full=full, dry_run=dry_run, force=force)
        self._endings.add(ending)
        try:
            report = await asyncio.to_thread(run, on_progress=note, ending=ending)
            await asyncio.to_thread(self._store.preload)
        except asyncio.CancelledError:
            ending.set()  # the thread does not know that nobody waits for it
            raise
        finally:
            self._endings.discard(ending)
            if not self._endings:  # one that was refused is not the one in progress
                self._running = None
        return report

    def cancel(self) -> bool:
        """Have the run in progress end soon with IngestionRefused, the old index still serving; False if none is."""
        for ending in self._endings:
            ending.set()
        return bool(self._endings)

    async def read(self, name: str, content: bytes) -> Attachment:
        """A file that came with a question, read in a child process with limits; nothing of it is kept.

        Raises:
            DocumentUnreadable: it is damaged, locked, too large or of no known format; the words say which.
        """
        async with self._reading:
            return await asyncio.to_thread(read_attached, name, content, is_stopped=self._closed.is_set)

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
        ensure_name(collection)
        await self.read(safe_name(name), content)
        return await asyncio.to_thread(self._shelf.add, collection, name, content)

    async def add_page(self, collection: str, url: str) -> str:
        """Put a web page's address on the collection's list; gives the address as it stands there.

        Raises:
            DocumentUnreadable: it is no public http or https address, or no collection may be called that.
            StoreUnusable: the folder cannot be written.
        """
        return await asyncio.to_thread(self._shelf.add_page, collection, url)

    async def remove(self, document: str) -> bool:
        """Take a document's file out of the folder, or a page off its list; False if there is none.

        Raises:
            StoreUnusable: the folder cannot be written.
        """
        return await asyncio.to_thread(self._shelf.remove, document)

    async def close(self) -> None:
        """Stop a run, and give back the connections to models and index. Nothing may be asked afterwards."""
        self._closed.set()
        self._ingestion.stop()
        if self._language is not None:
            await self._language.aclose()
        if isinstance(self._embedding, RemoteEmbedding):
            await self._embedding.aclose()
        await asyncio.to_thread(self._store.close)

    def _compared(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """The sources, marked where a document's file is another one by now. Only a file with a new date is read."""
        dates = {source.document: source.date for source in sources if source.date is not None}
        changed = {
            document
            for document, date in dates.items()
            if _modified(self._root / document) != date and self._ingestion.has_changed(document)
        }
        return tuple(replace(source, is_changed=source.document in changed) for source in sources)

    async def _explain_nothing(self, nearest: Sequence[str], *, has_files: bool) -> None:
        """Raise what is to be said, unless there are documents and the question can be answered from its own files."""
        state = await self.state()
        if state.nodes and has_files:
            return
        if state.nodes:
            raise NothingFound(_not_found(nearest), nearest=nearest)
        if state.running is not None:
            done, total = state.running.files_done, state.running.files_total
            raise IndexBuilding(f"The documents are being read for the first time: {done} of {total} files so far.")
        raise IndexEmpty(
            "There are no documents to answer from yet. Whoever runs Docent needs to add some and reindex."
        )


def _not_found(nearest: Sequence[str]) -> str:
    if not nearest:
        return "The documents do not speak of this. Try other words."
    return f"I did not find this in the documents. What comes nearest: {', '.join(map(escape_markdown, nearest))}."


def _modified(path: Path) -> datetime | None:
    """When a file was last changed, to the second; None if it is gone."""
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    except OSError:
        return None


def _plain(question: Question) -> Question:
    """The question, and what was said before it, without signs that the model would read and nobody saw."""
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


def _checked(text: str) -> str:
    if not text.strip():
        raise QuestionInvalid("The question is empty. Write what you would like to know.")
    if len(text) > QUESTION_LIMIT:
        raise QuestionInvalid(f"The question has {len(text):,} characters; {QUESTION_LIMIT:,} are the most.")
    return text.strip()


def _opened_embedding(choice: EmbeddingChoice | Local | None) -> BaseEmbedding | None:
    match choice:
        case EmbeddingChoice():
            return embedding_model(choice)
        case Local():
            model = local_embedding()
            if model is None:
                _log.warning("the extra 'local' is not installed: documents are searched by keywords only")
            return model
        case None:
            return None


def _embedder(embedding: BaseEmbedding) -> Callable[[Sequence[str]], list[list[float]]]:
    """The embedding of many texts, its faults put into our words."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        try:
            return embedding.get_text_embedding_batch(list(texts))
        except MODEL_FAULTS as error:
            raise named_fault(error) from error

    return embed
