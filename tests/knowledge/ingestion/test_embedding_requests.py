"""How passages get their vectors: side by side, tried again while that has a point, and never lost once paid for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import AnswerUnavailable, ModelAccessDenied, ModelBusy, ModelOutOfCredit, ModelUnreachable
from bot.knowledge.ingestion.embedding_requests import EmbeddingRequests, RetryPolicy, estimate_dollars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Clock:
    """Time that passes only while someone pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.is_stopped = False

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        return self.is_stopped


class Model:
    """A fake embedding model that fails as told, one fault a call, before it answers."""

    def __init__(self, *faults: AnswerUnavailable) -> None:
        self.faults = list(faults)
        self.calls = 0

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return [[float(len(text))] for text in texts]


def wait_until_idle(requests: EmbeddingRequests) -> None:
    while not requests.is_idle:
        requests.collect_results(30)


class SavedVectors(dict[str, "Sequence[float]"]):
    """Where vectors are kept."""

    def save(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self.update(vectors)


def embed_one_batch(model: Model, clock: Clock, retry_policy: RetryPolicy | None = None) -> SavedVectors:
    """One batch of one text, to its end."""
    kept = SavedVectors()
    with EmbeddingRequests(
        model,
        kept.save,
        in_flight=1,
        retry_policy=retry_policy or RetryPolicy(),
        wait_for_stop=clock.wait,
        now=lambda: clock.now,
    ) as requests:
        requests.send({"hash": "text"})
        requests.collect_results(30)
    return kept


def test_a_model_that_cannot_be_reached_is_asked_again_with_growing_pauses() -> None:
    clock, model = Clock(), Model(*[ModelUnreachable("x")] * 7)
    assert embed_one_batch(model, clock) == {"hash": [4.0]}
    assert clock.pauses == [0.5, 1, 2, 4, 8, 16, 20]


def test_seconds_of_waiting_are_known_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock, model, seen = Clock(), Model(*[ModelUnreachable("down")] * 4), list[float]()

    def wait(seconds: float) -> bool:
        seen.append(requests.waiting_seconds)
        return clock.wait(seconds)

    policy = RetryPolicy()
    with EmbeddingRequests(
        model, SavedVectors().save, in_flight=1, retry_policy=policy, wait_for_stop=wait, now=lambda: clock.now
    ) as requests:
        requests.send({"hash": "text"})
        wait_until_idle(requests)
        assert seen == [0, 0.5, 1.5, 3.5]
        assert requests.waiting_seconds == 0
    assert "waiting for the embedding model, 4 s (down)" in caplog.text


def test_a_busy_model_is_given_the_time_it_asks_for() -> None:
    clock, model = Clock(), Model(ModelBusy("x", retry_after=7.0), ModelBusy("x", retry_after=0.1), ModelBusy("x"))
    assert embed_one_batch(model, clock) == {"hash": [4.0]}
    assert clock.pauses == [7.0, 1, 2]


def test_error_is_raised_after_the_deadline() -> None:
    clock, model = Clock(), Model(*[ModelUnreachable("x")] * 99)
    with pytest.raises(ModelUnreachable):
        embed_one_batch(model, clock)
    assert 100 <= sum(clock.pauses) <= 120


def test_a_model_that_asks_for_more_time_than_there_is_is_not_waited_for() -> None:
    clock, model = Clock(), Model(ModelBusy("x", retry_after=3_600))
    with pytest.raises(ModelBusy):
        embed_one_batch(model, clock)
    assert clock.pauses == []


@pytest.mark.parametrize("fault", [ModelAccessDenied("x"), ModelOutOfCredit("x"), AnswerUnavailable("x")])
def test_permanent_errors_are_raised_without_a_retry(fault: AnswerUnavailable) -> None:
    clock, model = Clock(), Model(fault)
    with pytest.raises(type(fault)):
        embed_one_batch(model, clock)
    assert (model.calls, clock.pauses) == (1, [])


def test_stop_ends_a_pause_and_the_retries() -> None:
    clock, model = Clock(), Model(*[ModelUnreachable("x")] * 9)
    clock.is_stopped = True
    with pytest.raises(ModelUnreachable):
        embed_one_batch(model, clock)
    assert model.calls == 1


@given(st.integers(0, 2_000), st.floats(0, 1_000), st.floats(0, 1_000))
def test_a_pause_never_leads_beyond_the_deadline(retry: int, elapsed: float, asked: float) -> None:
    pause = RetryPolicy().next_delay(retry, elapsed, ModelBusy("x", retry_after=asked))
    assert pause is None or (pause >= asked and elapsed + pause <= RetryPolicy().deadline)


def test_requests_go_side_by_side_but_no_more_than_allowed() -> None:
    under_way, most = [0], [0]
    together = threading.Barrier(3)
    lock = threading.Lock()

    def embed(texts: Sequence[str]) -> list[list[float]]:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait(timeout=30)
        with lock:
            under_way[0] -= 1
        return [[1.0] for _ in texts]

    kept = SavedVectors()
    with EmbeddingRequests(
        embed, kept.save, in_flight=3, retry_policy=RetryPolicy(), wait_for_stop=threading.Event().wait
    ) as requests:
        for number in range(9):
            while requests.is_full:
                requests.collect_results(30)
            requests.send({f"hash {number}": "text"})
        wait_until_idle(requests)
    assert (len(kept), most[0], requests.embedded) == (9, 3, 9)


def test_when_one_request_fails_the_others_are_kept_and_counted() -> None:
    failed = threading.Event()

    def embed(texts: Sequence[str]) -> list[list[float]]:
        if texts == ["bad"]:
            failed.set()
            raise ModelOutOfCredit("No credit.")
        failed.wait(timeout=30)
        return [[1.0] for _ in texts]

    kept = SavedVectors()
    with EmbeddingRequests(
        embed, kept.save, in_flight=2, retry_policy=RetryPolicy(), wait_for_stop=threading.Event().wait
    ) as requests:
        requests.send({"a": "good"})
        requests.send({"b": "bad"})
        with pytest.raises(ModelOutOfCredit):
            wait_until_idle(requests)
    assert (set(kept), requests.embedded) == ({"a"}, 1)


def test_finished_batches_are_saved_while_others_are_in_flight() -> None:
    arrived, goes_on = threading.Event(), threading.Event()

    def embed(texts: Sequence[str]) -> list[list[float]]:
        if texts == ["slow"]:
            goes_on.wait(timeout=30)
        return [[1.0] for _ in texts]

    class Noticed(SavedVectors):
        def keep(self, vectors: Mapping[str, Sequence[float]]) -> None:
            super().save(vectors)
            arrived.set()

    kept = Noticed()
    with EmbeddingRequests(
        embed, kept.keep, in_flight=2, retry_policy=RetryPolicy(), wait_for_stop=threading.Event().wait
    ) as requests:
        requests.send({"a": "slow"})
        requests.send({"b": "quick"})
        assert arrived.wait(timeout=30)  # nobody has settled anything: a crash now would cost the slow one alone
        assert set(kept) == {"b"}
        goes_on.set()
        wait_until_idle(requests)
    assert set(kept) == {"a", "b"}


def test_price_is_shown_if_it_is_known() -> None:
    assert estimate_dollars("text-embedding-3-small", 5_000_000) == pytest.approx(0.10)
    assert estimate_dollars("nomic-embed-text", 5_000_000) is None
