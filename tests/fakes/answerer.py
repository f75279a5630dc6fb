"""A working fake for knowledge: a script of sources, deltas, pauses and faults, told like a real answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.domain import (
    SHARED,
    AnswerStatus,
    Attachment,
    DocumentInfo,
    IngestionReport,
    LibraryState,
    Progress,
    ReindexRequest,
    Source,
    Usage,
)
from bot.errors import DocumentUnreadable, IndexBuilding, IngestionRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bot.domain import Question, Scope

HANDBOOK = Source(
    1, "handbook.md", "Handbook", "Refunds take 14 days.", section="Refunds", url="https://team.example/h"
)
TRAVEL = Source(2, "travel.pdf", "Travel", "Trains before planes.", page=3)


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a script: the model says nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Script:
    """What an answer will be: its steps are deltas, pauses, and an error at which it breaks off."""

    steps: Sequence[str | Pause | Exception] = ()
    sources: Sequence[Source] = (HANDBOOK, TRAVEL)
    notice: str = ""
    searched_for: str = ""
    status: AnswerStatus = AnswerStatus.COMPLETE
    is_confident: bool = False
    prompt_tokens: int = 0
    """What the model is given, from the moment the first delta is awaited; each delta is a token it has written."""
    refusal: Exception | None = None
    """Raised by ``answer`` itself, before there is an answer."""
    search_seconds: float = 0.0
    """Seconds that finding the passages takes."""


class FakeAnswer:
    """One telling of a script; knows whether the model's connection was closed."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._is_over = False
        self._usage = Usage()
        self.is_closed = False

    @property
    def sources(self) -> Sequence[Source]:
        return self._script.sources

    @property
    def notice(self) -> str:
        return self._script.notice

    @property
    def searched_for(self) -> str:
        return self._script.searched_for

    @property
    def is_confident(self) -> bool:
        return self._script.is_confident

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def status(self) -> AnswerStatus:
        if not self._is_over:
            raise RuntimeError("the status is not known before the last delta")
        return self._script.status

    async def deltas(self) -> AsyncIterator[str]:
        self._usage = Usage(self._script.prompt_tokens)
        try:
            for step in self._script.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    if self._script.prompt_tokens:
                        self._usage = replace(self._usage, completion=self._usage.completion + 1)
                    yield step
            self._is_over = True
        finally:
            self.is_closed = True


class FakeAnswerer:
    """Tells the same script to everyone and remembers what was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.questions: list[Question] = []
        self.answers: list[FakeAnswer] = []

    async def answer(self, question: Question) -> FakeAnswer:
        self.questions.append(question)
        await asyncio.sleep(self._script.search_seconds)
        if self._script.refusal:
            raise self._script.refusal
        self.answers.append(FakeAnswer(self._script))
        return self.answers[-1]


class BuildingAnswerer(FakeAnswerer):
    """Answers once the documents are read, ``seconds_per_file`` each; until then it says how far that is."""

    def __init__(self, script: Script, files: int, seconds_per_file: float) -> None:
        super().__init__(script)
        self._files = files
        self._seconds_per_file = seconds_per_file

    async def answer(self, question: Question) -> FakeAnswer:
        done = int(asyncio.get_running_loop().time() / self._seconds_per_file)
        if done < self._files:
            raise IndexBuilding(
                "The documents are being read.", files_done=done, files_total=self._files if done else 0
            )
        return await super().answer(question)


class FakeLibrary:
    """A library in memory: what is added to it, or removed, is searchable, or no longer so, from the next run on.

    A run goes through ``state.documents`` files, ``pace`` seconds each, and can be cancelled between two. ``refusal``
    is raised by the next run; ``unreadable`` maps names to the reasons for which they are neither read nor added.
    """

    def __init__(
        self,
        state: LibraryState,
        report: IngestionReport | None = None,
        *,
        documents: Sequence[DocumentInfo] = (),
        seconds_per_file: float = 0.0,
    ) -> None:
        self._state = state
        self._report = report or IngestionReport(unchanged=state.documents, nodes=state.nodes)
        self._documents = {each.document: each for each in documents}
        self._seconds_per_file = seconds_per_file
        self._is_cancelled = False
        self.files: dict[str, bytes] = {}
        self.pages: list[tuple[str, str]] = []
        self.runs: list[ReindexRequest] = []
        self.added: list[str] = []
        self.removed: list[str] = []
        self.cancel_count = 0
        self.unreadable: dict[str, str] = {}
        self.refusal: Exception | None = None

    async def state(self) -> LibraryState:
        return self._state

    async def reindex(
        self,
        request: ReindexRequest | None = None,
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        if self._state.running is not None:
            raise IngestionRefused("A run is already going on; wait until it has ended.")
        request = request or ReindexRequest()
        self.runs.append(request)
        if self.refusal is not None:
            raise self.refusal
        self._is_cancelled = False
        try:
            await self._report_files(on_progress)
        finally:
            self._state = replace(self._state, running=None)
        if not request.dry_run:
            self._apply_changes(request.collection)
        return replace(self._report, is_dry_run=request.dry_run)

    async def _report_files(self, on_progress: Callable[[Progress], None] | None) -> None:
        total = self._state.documents
        for done in range(total + 1):
            progress = Progress(files_done=done, files_total=total)
            self._state = replace(self._state, running=progress)
            if on_progress:
                on_progress(progress)
            await asyncio.sleep(self._seconds_per_file)
            if self._is_cancelled:
                raise IngestionRefused("The run was stopped; the old index still serves.")

    def _apply_changes(self, collection: str | None) -> None:
        """What was added and removed becomes what is searched."""
        for document in self.files:
            if collection in {None, _parse_collection(document)}:
                self._documents[document] = DocumentInfo(document, document, _parse_collection(document), passages=1)
        for document in self.removed:
            if collection in {None, _parse_collection(document)}:
                self._documents.pop(document, None)
        self._state = replace(self._state, generation=self._state.generation + 1)

    def cancel(self) -> bool:
        if self._state.running is None:
            return False
        self.cancel_count += 1
        self._is_cancelled = True
        return True

    async def list_documents(self, scope: Scope) -> list[DocumentInfo]:
        inside = [each for each in self._documents.values() if each.collection in scope.collections]
        return sorted(inside, key=lambda each: each.document)

    async def embed(self, texts: Sequence[str]) -> None:
        """It has no embedding model: callers compare texts by their words."""

    async def read(self, name: str, content: bytes) -> Attachment:
        self._refuse_unreadable(name)
        return Attachment(name, content.decode("utf-8", "replace"))

    async def add(self, collection: str, name: str, content: bytes) -> str:
        self._refuse_unreadable(name)
        document = f"@{collection}/{name}" if collection else name
        self.files[document] = content
        self.added.append(document)
        if document in self.removed:
            self.removed.remove(document)
        return document

    async def add_page(self, collection: str, url: str) -> str:
        self._refuse_unreadable(url)
        if not url.startswith(("http://", "https://")):
            raise DocumentUnreadable("not fetched: only http:// and https:// addresses are")
        self.pages.append((collection, url))
        return url

    async def remove(self, document: str) -> bool:
        if document not in self._documents and document not in self.files:
            return False
        self.files.pop(document, None)
        self.removed.append(document)
        return True

    def _refuse_unreadable(self, name: str) -> None:
        if name in self.unreadable:
            raise DocumentUnreadable(self.unreadable[name])


def _parse_collection(document: str) -> str:
    folder, slash, _ = document.partition("/")
    return folder.removeprefix("@") if slash and folder.startswith("@") else SHARED
