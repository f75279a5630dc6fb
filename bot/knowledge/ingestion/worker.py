"""Reads and splits files in a child process with limits, so that no file can take the bot down with it."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from bot.errors import DocumentUnreadable, IngestionRefused
from bot.knowledge.ingestion.sandbox import clear_environment, refuse_network
from bot.knowledge.readers import NOTE
from bot.knowledge.sources.documents import read
from bot.knowledge.splitting.splitter import SectionSplitter, hash_passage, truncate_to_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from llama_index.core.schema import Document

MEMORY_LIMIT: Final = 1_536 * 2**20
"""Memory of the child beyond what it holds when it begins, in bytes."""
TIME_LIMIT: Final = 60.0
"""Seconds for one file."""
FILES_PER_CHILD: Final = 200
"""Files that one child reads: parsers leak, so a fresh one takes over."""
OPEN_FILES_LIMIT: Final = 64
FULL_TEXT_TOKENS: Final = 4_000
"""Longest text of a file that is read as a whole, in tokens: what a model may read beside the passages."""

_NO_PROCESS_MESSAGE = (
    "A process to read files in failed to start; nothing was changed. Check this machine's memory, and how many"
    " processes this user may run."
)
_QUEUED_FILES = 3  # files given to the child before the first is done, so that it never waits
_OUT_OF_MEMORY_STATUS = 86  # the exit status that says so
_POLL_SECONDS = 0.2  # seconds between two yields while a file is being read

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a file as it comes out of the child; ``hash`` names its vector."""

    node_id: str
    text: str
    metadata: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: ``seconds``, and ``memory`` in bytes beyond the child's own."""

    seconds: float = TIME_LIMIT
    memory: int = MEMORY_LIMIT


class ReaderCrashed(DocumentUnreadable):
    """A file whose reader died or took too long; on a quieter machine it may be read."""


class ReaderProcess:
    """Reads and splits files in another process; use it as a context manager, in one thread.

    The child is forked from a small server that has imported everything, where the system has a fork server: the first
    costs about two seconds, the later ones nothing. It has no environment and, where ``sandbox`` can, no network; it
    ends with its parent, however that ends.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._pool: ProcessPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._pool is None:
            return
        if kind is None:
            self._pool.close()  # type: ignore[no-untyped-call]
        else:
            self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self._pool = None

    def start(self) -> None:
        """Start the child without waiting for it.

        Raises:
            IngestionRefused: No process can be started.
        """
        if self._pool is not None:
            return
        self._pool = ProcessPool(
            max_workers=1,
            max_tasks=FILES_PER_CHILD,
            initializer=_confine_this_process,
            initargs=(self._limits.memory,),
            context=_create_context(),
        )
        self._schedule(_do_nothing)

    def read_passages(
        self, root: Path, documents: Iterable[str]
    ) -> Iterator[tuple[str, list[Passage] | DocumentUnreadable | None]]:
        """Yield each document with its passages, or the reason why it has none, in the order given.

        While a document is being read it is yielded with None again and again, so that the caller can do other work or
        stop.

        Raises:
            IngestionRefused: No process can be started.
        """
        self.start()
        waiting = iter(documents)
        under_way: deque[tuple[str, Future[Any]]] = deque()
        while True:
            while len(under_way) < _QUEUED_FILES and (document := next(waiting, None)) is not None:
                under_way.append((document, self._schedule_document(root, document)))
            if not under_way:
                return
            document, future = under_way[0]
            outcome = _poll_result(future, self._limits.seconds)
            if outcome is not None:
                under_way.popleft()
            yield document, outcome

    def read_text(self, root: Path, document: str) -> Iterator[str | None]:
        """Yield a document as one text of at most ``FULL_TEXT_TOKENS``; before it None again and again.

        Raises:
            DocumentUnreadable: It cannot be read.
        """
        self.start()
        future = self._schedule(_read_full_text, str(root), document, seconds=self._limits.seconds)
        while (outcome := _poll_result(future, self._limits.seconds)) is None:
            yield None
        if isinstance(outcome, DocumentUnreadable):
            raise outcome
        yield "".join(outcome)

    def _schedule_document(self, root: Path, document: str) -> Future[Any]:
        return self._schedule(_read_and_split, str(root), document, seconds=self._limits.seconds)

    def _schedule(self, work: Callable[..., Any], *values: str, seconds: float | None = None) -> Future[Any]:
        if self._pool is None:
            raise RuntimeError("the reader is closed")
        try:
            return self._pool.schedule(work, args=values, timeout=seconds)
        except (OSError, RuntimeError) as error:  # the latter where the first attempt failed without a word
            raise IngestionRefused(_NO_PROCESS_MESSAGE) from error


def _poll_result(future: Future[Any], seconds: float) -> list[Any] | DocumentUnreadable | None:
    try:
        made: list[Any] | str = future.result(timeout=_POLL_SECONDS)
    except StillRunning:
        return ReaderCrashed(f"took longer than {seconds:g} s to read") if future.done() else None
    except ProcessExpired as error:
        if error.exitcode == _OUT_OF_MEMORY_STATUS:
            return ReaderCrashed("needs too much memory to read")
        return ReaderCrashed("broke its reader: it is damaged, or needs too much memory")
    except Exception as error:  # noqa: BLE001 - parsers raise whatever they like, and one file must not stop a run
        return DocumentUnreadable(f"cannot be read ({type(error).__name__})")
    return DocumentUnreadable(made) if isinstance(made, str) else made


def _create_context() -> Any:
    """Return how the child is started: never as a fork of this process, which has threads and open files."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bot.knowledge.ingestion.preload"])
    return context


# --- In the child --------------------------------------------------------------------------------------------------


def _confine_this_process(memory: int) -> None:
    clear_environment()
    # A library that aborts writes about itself at length; the parent reports what became of the file.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)
    _get_splitter()
    _limit_resources(memory)
    refuse_network()


def _limit_resources(memory: int) -> None:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    limits = [
        (resource.RLIMIT_AS, _measure_address_space() + memory),
        (resource.RLIMIT_NOFILE, OPEN_FILES_LIMIT),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ]
    for limit, value in limits:
        with suppress(ValueError, OSError):  # stricter already, or not enforced here
            resource.setrlimit(limit, (value, value))


def _measure_address_space() -> int:
    """The address space of this process, in bytes; libraries reserve far more of it on machines with many cores."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 2**30


@cache
def _get_splitter() -> SectionSplitter:
    """Return the process's one splitter: its tokenizer is slow to load."""
    return SectionSplitter()


def _do_nothing() -> None:
    """Do nothing: the child is running once this returns."""


def _read_and_split(root: str, document: str) -> list[Passage] | str:
    return _read(root, document, _split)


def _split(documents: list[Document]) -> list[Passage]:
    """Return the passages of a file's Documents; the first carries the note on what could not be read."""
    note = documents[0].metadata.pop(NOTE, "")
    nodes = _get_splitter().split(documents)
    passages = [Passage(node.node_id, node.text, node.metadata, hash_passage(node)) for node in nodes]
    if note and passages:
        passages[0].metadata[NOTE] = note
    return passages


def _read_full_text(root: str, document: str) -> list[str] | str:
    return _read(
        root,
        document,
        lambda documents: [truncate_to_tokens("\n\n".join(map(_format_with_heading, documents)), FULL_TEXT_TOKENS)],
    )


def _read(root: str, document: str, transform: Callable[[list[Document]], list[_Result]]) -> list[_Result] | str:
    """Return what is made of a file, or the reason why nothing is."""
    try:
        return transform(read(Path(root), document))
    except DocumentUnreadable as error:
        return error.user_message
    except MemoryError:
        os._exit(_OUT_OF_MEMORY_STATUS)  # the next file gets a fresh child, which holds nothing yet
    except Exception as error:  # noqa: BLE001 - parsers raise whatever they like, and one file must not stop a run
        return f"cannot be read ({type(error).__name__})"


def _format_with_heading(document: Document) -> str:
    """Return one page, slide or sheet below a line that says which, where there is more than one."""
    page = document.metadata.get("page")
    parts = [str(document.metadata.get("section") or ""), "" if page is None else f"page {page}"]
    heading = ", ".join(filter(None, parts))
    return f"## {heading}\n\n{document.text}" if heading else document.text
