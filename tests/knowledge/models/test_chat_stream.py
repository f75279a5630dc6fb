"""What servers really send, and what of it an answer is made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.models.chat_stream import NOT_AN_ANSWER, WEB_PAGE, ChatStreamReader


def write(*events: object) -> str:
    return "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)


def choice(delta: object = None, finish_reason: str | None = None, **others: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, **others}]}


def read(body: str, step: int = 1_000) -> list[Any]:
    reader, data = ChatStreamReader(), body.encode()
    out = b"".join(reader.feed(data[at : at + step]) for at in range(0, len(data), step)) + reader.flush()
    events = [line.removeprefix("data: ") for line in out.decode().split("\n\n") if line.startswith("data: ")]
    return [event if event == "[DONE]" else json.loads(event) for event in events]


def summarise(body: str, step: int = 1_000) -> tuple[str, str, str | None, str | None]:
    """Text, reasoning, finish reason and error code or message."""
    text, reasoning, reason, error = "", "", None, None
    for event in read(body, step):
        if event == "[DONE]":
            break
        if "error" in event:
            error = event["error"]["code"] or event["error"]["message"]
            break
        for each in event["choices"]:
            text += each["delta"]["content"]
            reasoning += each["delta"].get("reasoning_content", "")
            reason = each["finish_reason"] or reason
    return text, reasoning, reason, error


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


def test_event_that_is_not_json_is_passed_on_for_the_client_to_refuse() -> None:
    reader = ChatStreamReader()
    assert reader.feed(b'data: {"choices": [\n\n') == b'data: {"choices": [\n\n'


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}, "many"])
def test_unusable_usage_is_left_out(usage: object) -> None:
    assert "usage" not in read(write({**STOP, "usage": usage}))[0]


FIELD_VALUES = st.none() | st.text() | st.integers()
CHOICES = st.lists(st.integers() | st.dictionaries(st.sampled_from(["delta", "index", "message"]), FIELD_VALUES))


@given(st.dictionaries(st.sampled_from(["choices", "error", "usage", "message"]), st.none() | CHOICES))
def test_any_event_is_read_without_an_error(event: dict[str, Any]) -> None:
    for each in read(write(event)):
        assert "error" in each or isinstance(each["choices"], list)
