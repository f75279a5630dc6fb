"""What servers really send, and what of it an answer is made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.models.chat_stream import NOT_AN_ANSWER, WEB_PAGE, ChatStreamReader, ChatUpdate


def write(*events: object) -> str:
    return "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)


def choice(delta: object = None, finish_reason: str | None = None, **others: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, **others}]}


def read(body: str, step: int = 1_000) -> list[ChatUpdate]:
    """The updates of a body that arrives in pieces of ``step`` bytes, each taken at once."""
    reader, data = ChatStreamReader(), body.encode()
    found: list[ChatUpdate | None] = []
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        found.append(reader.take())
    reader.flush()
    return [update for update in (*found, reader.take()) if update is not None]


def summarise(body: str, step: int = 1_000) -> tuple[str, str, str | None, str | None]:
    """Text, reasoning, finish reason and error code or message."""
    updates = read(body, step)
    error = next((update.error for update in updates if update.error), None)
    return (
        "".join(update.text for update in updates),
        "".join(update.reasoning for update in updates),
        next((update.finish_reason for update in reversed(updates) if update.finish_reason), None),
        None if error is None else error.get("code") or error["message"],
    )


HI, STOP = choice({"content": "Hi"}), choice({}, "stop")

CASES = {
    "usual": (write(HI, STOP, "[DONE]"), ("Hi", "", "stop", None)),
    "choices are null": (write({"choices": None}, HI, STOP, "[DONE]"), ("Hi", "", "stop", None)),
    "choices are missing": (write({"model": "x"}, HI, STOP, "[DONE]"), ("Hi", "", "stop", None)),
    "usage without choices": (
        write(HI, STOP, {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}, "[DONE]"),
        ("Hi", "", "stop", None),
    ),
    "delta is null": (write(choice(None), HI, choice(None, "length"), "[DONE]"), ("Hi", "", "length", None)),
    "delta is missing": (
        write(HI, {"choices": [{"index": 0, "finish_reason": "stop"}]}, "[DONE]"),
        ("Hi", "", "stop", None),
    ),
    "content in parts": (
        write(
            choice({"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}]}),
            STOP,
            "[DONE]",
        ),
        ("Hi", "Hm.", "stop", None),
    ),
    "nested thinking parts": (
        write(choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}), HI, "[DONE]"),
        ("Hi", "Hm.", "stop", None),
    ),
    "reasoning under another name": (
        write(choice({"reasoning": "Hm."}), HI, STOP, "[DONE]"),
        ("Hi", "Hm.", "stop", None),
    ),
    "a second choice": (
        write(HI, {"choices": [{"index": 1, "delta": {"content": "No"}, "finish_reason": None}]}, STOP, "[DONE]"),
        ("Hi", "", "stop", None),
    ),
    "refusal": (write(choice({"refusal": "I cannot."}), STOP, "[DONE]"), ("I cannot.", "", "stop", None)),
    "done without a finish reason": (write(HI, "[DONE]"), ("Hi", "", "stop", None)),
    "neither done nor finish reason": (write(HI), ("Hi", "", None, None)),
    "finish reason error": (write(HI, choice({}, "error")), ("Hi", "", "error", "the finish reason is error")),
    "error object": (write(HI, {"error": {"message": "full", "code": "busy"}}), ("Hi", "", None, "busy")),
    "error text": (write(HI, {"error": "out of memory"}), ("Hi", "", None, "out of memory")),
    "error without a key": (write(HI, {"object": "error", "message": "full"}), ("Hi", "", None, "full")),
    "error event": (write(HI) + "event: error\n" + write({"message": "full"}), ("Hi", "", None, "full")),
    "error event in plain text": (write(HI) + "event: error\n" + write("full"), ("Hi", "", None, "full")),
    "JSON error": ('{"error": {"message": "no", "code": "denied"}}', ("", "", None, "denied")),
    "FastAPI error": ('{"detail": "Not Found"}', ("", "", None, "Not Found")),
    "web page": ("\n<!doctype html><html></html>", ("", "", None, WEB_PAGE)),
    "plain text": ("Ollama is running", ("", "", None, NOT_AN_ANSWER)),
    "some other JSON": ('{"status": "ok"}', ("", "", None, NOT_AN_ANSWER)),
    "whole answer": (
        json.dumps({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}),
        ("Hi", "", "stop", None),
    ),
    "CRLF, comments and no space": (
        ": ping\r\n\r\n" + write(HI, STOP).replace("data: ", "data:").replace("\n", "\r\n") + "data: [DONE]",
        ("Hi", "", "stop", None),
    ),
    "nothing": ("", ("", "", None, None)),
}


@pytest.mark.parametrize("name", CASES)
def test_stream_is_read_as_the_server_meant_it(name: str) -> None:
    body, expected = CASES[name]
    assert summarise(body) == expected


@given(st.sampled_from(sorted(CASES)), st.integers(1, 40))
def test_stream_reads_the_same_however_it_is_cut(name: str, step: int) -> None:
    body, expected = CASES[name]
    assert summarise(body, step) == expected


def test_done_without_a_finish_reason_is_reported() -> None:
    reader = ChatStreamReader()
    reader.feed(write(HI, "[DONE]").encode())
    assert reader.has_assumed_end


def test_event_that_is_not_json_is_an_error_behind_the_text() -> None:
    (update,) = read(write(HI) + 'data: {"choices": [\n\n')
    assert (update.text, update.error) == ("Hi", {"message": "the stream holds an event that is not JSON"})


def test_deltas_that_arrived_together_are_one_update() -> None:
    words = [choice({"content": f" word{number}"}) for number in range(50)]
    (update,) = read(write(*words, STOP, "[DONE]"), step=100_000)
    assert update.text == "".join(f" word{number}" for number in range(50))
    assert (update.finish_reason, update.is_done) == ("stop", True)


@pytest.mark.parametrize("last", ["[DONE]", {"error": "full"}])
def test_nothing_counts_after_the_end_or_an_error(last: object) -> None:
    assert summarise(write(HI, last, HI, {"error": "again"}), step=7)[0] == "Hi"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}, "many"])
def test_unusable_usage_is_left_out(usage: object) -> None:
    assert [update.usage for update in read(write({**STOP, "usage": usage}))] == [None]


def test_usage_is_read() -> None:
    (update,) = read(write({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}))
    assert update.usage == (7, 3)


FIELD_VALUES = st.none() | st.text() | st.integers()
CHOICES = st.lists(st.integers() | st.dictionaries(st.sampled_from(["delta", "index", "message"]), FIELD_VALUES))


@given(st.dictionaries(st.sampled_from(["choices", "error", "usage", "message"]), st.none() | CHOICES))
def test_any_event_is_read_without_an_error(event: dict[str, Any]) -> None:
    for update in read(write(event)):
        assert isinstance(update.text, str)
        assert update.error is None or isinstance(update.error["message"], str)
