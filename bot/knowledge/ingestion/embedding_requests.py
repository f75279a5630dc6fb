"""Sends batches of passages to the embedding model, several at a time, and saves their vectors as they arrive."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Self

from bot.errors import AnswerUnavailable, IngestionRefused, ModelBusy, ModelInterrupted, ModelUnreachable

EmbedTexts = Callable[[Sequence[str]], list[list[float]]]
"""Returns one vector for each text, in the same order; raises AnswerUnavailable."""

SaveVectors = Callable[[Mapping[str, Sequence[float]]], None]
"""Saves vectors by passage hash; raises ValueError for vectors that cannot be used."""

DOLLARS_PER_MILLION: Final = {
    "text-embedding-3-small": 0.02,
    "text-embedding-3-large": 0.13,
    "text-embedding-ada-002": 0.10,
}
"""Prices of OpenAI's embedding models for a million tokens, in US dollars, as of January 2025."""

_DRAIN_SECONDS = 2.0  # seconds given to requests under way when a run ends early: they are paid for


def estimate_dollars(model: str, tokens: int) -> float | None:
    """Return the price of embedding this many tokens, in US dollars; None if it is not known."""
    price = DOLLARS_PER_MILLION.get(model)
    return None if price is None else price * tokens / 1_000_000


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a failed batch is tried again, in seconds: ``deadline`` in all, ``initial_delay`` before a retry."""

    deadline: float = 120.0
    initial_delay: float = 0.5
    max_delay: float = 20.0

    def next_delay(self, retry: int, elapsed: float, fault: AnswerUnavailable) -> float | None:
        """Return the seconds to wait before a retry, counted from 0; None if it should not be tried again."""
        if not isinstance(fault, ModelBusy | ModelUnreachable | ModelInterrupted):
            return None
        asked = fault.retry_after if isinstance(fault, ModelBusy) else None
        pause = max(min(self.initial_delay * 2 ** min(retry, 30), self.max_delay), asked or 0.0)
        return pause if elapsed + pause <= self.deadline else None


class EmbeddingRequests:
    """Sends batches and keeps what comes back; use it as a context manager, from one thread.

    At most ``in_flight`` batches are sent at the same time; a crash loses no more than these. When one fails finally,
    the others are still saved before the error is raised. ``wait_for_stop`` waits so many seconds, and says whether the
    run is to stop. Vectors of another ``dimension`` than the index's (0 for none) are refused, unless
    ``can_change_dimension``.
    """

    def __init__(  # noqa: PLR0913 - what a batch needs on its way; all but the first two by name
        self,
        embed: EmbedTexts,
        save_vectors: SaveVectors,
        *,
        in_flight: int,
        retry_policy: RetryPolicy,
        dimension: int = 0,
        can_change_dimension: bool = True,
        wait_for_stop: Callable[[float], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._embed = embed
        self._save_vectors = save_vectors
        self._indexed_dimension = dimension
        self._dimension = 0 if can_change_dimension else dimension
        self._max_in_flight = in_flight
        self._retry_policy = retry_policy
        self._wait_for_stop = wait_for_stop
        self._now = now
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="embedding")
        self._pending: set[Future[int]] = set()
        self._failing_since: dict[int, float] = {}
        self.embedded = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(self._pending, timeout=None if kind is None else _DRAIN_SECONDS)

    @property
    def is_full(self) -> bool:
        """Whether as many batches are being embedded as are allowed."""
        return len(self._pending) >= self._max_in_flight

    @property
    def is_idle(self) -> bool:
        """Whether no batch is being embedded."""
        return not self._pending

    @property
    def waiting_seconds(self) -> float:
        """For how many seconds the model has been failing; 0 while it answers."""
        began = min(self._failing_since.copy().values(), default=None)
        return 0.0 if began is None else self._now() - began

    def send(self, batch: Mapping[str, str]) -> None:
        """Send texts by passage hash, without waiting for their vectors."""
        self._pending.add(self._threads.submit(self._embed_and_save, dict(batch)))

    def probe_model(self) -> bool:
        """Embed one short text; save its vector and return True if it has another dimension than the index's vectors.

        Raises:
            AnswerUnavailable: The model failed.
        """
        text = "The number of dimensions of this model's vectors."
        (vector,) = self._embed_with_retries([text])
        if len(vector) == self._indexed_dimension:
            return False
        self._save_vectors({hashlib.sha256(text.encode()).hexdigest(): vector})
        return True

    def collect_results(self, timeout: float) -> None:
        """Wait until a batch is done, for ``timeout`` seconds at most.

        Raises:
            AnswerUnavailable: The model failed finally, or returned vectors that cannot be used.
        """
        if not self._pending:
            return
        arrived, self._pending = wait(self._pending, timeout=timeout, return_when=FIRST_COMPLETED)
        faults = self._count_results(arrived)
        if faults:
            arrived, self._pending = wait(self._pending, timeout=_DRAIN_SECONDS)
            self._count_results(arrived)
            raise faults[0]

    def _count_results(self, arrived: set[Future[int]]) -> list[BaseException]:
        faults = [fault for future in arrived if (fault := future.exception()) is not None]
        self.embedded += sum(future.result() for future in arrived if future.exception() is None)
        return faults

    def _embed_and_save(self, batch: Mapping[str, str]) -> int:
        """Embed one batch, with retries, save its vectors and return their number."""
        vectors = self._embed_with_retries(list(batch.values()))
        if len(vectors) != len(batch):
            raise AnswerUnavailable(
                f"The embedding model gave {len(vectors)} vectors for {len(batch)} passages;"
                " an admin should choose another EMBED_MODEL."
            )
        if self._dimension and (other := next((len(each) for each in vectors if len(each) != self._dimension), None)):
            raise IngestionRefused(
                f"The embedding model now gives vectors of {other:,} numbers, and the index holds vectors of"
                f" {self._dimension:,}; nothing was changed. If EMBED_MODEL or its server was changed on purpose, run"
                " reindex full to embed all documents anew."
            )
        try:
            self._save_vectors(dict(zip(batch, vectors, strict=True)))
        except ValueError as error:
            raise AnswerUnavailable(
                f"The embedding model's answer cannot be used ({error}); an admin should choose another EMBED_MODEL."
            ) from error
        return len(batch)

    def _embed_with_retries(self, texts: Sequence[str]) -> list[list[float]]:
        began = self._now()
        retry = 0
        try:
            while True:
                try:
                    return self._embed(texts)
                except AnswerUnavailable as fault:
                    pause = self._retry_policy.next_delay(retry, self._now() - began, fault)
                    if pause is None:
                        raise
                    self._failing_since.setdefault(threading.get_ident(), began)
                    _log.warning("waiting for the embedding model, %.0f s (%s)", self.waiting_seconds, fault)
                    if self._wait_for_stop(pause):
                        raise
                    retry += 1
        finally:
            self._failing_since.pop(threading.get_ident(), None)
