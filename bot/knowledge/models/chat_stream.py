"""Reads chat streams as OpenAI-compatible servers really send them, and writes them as the OpenAI client expects.

Pure: bytes in, bytes out. Servers differ in ways that are harmless to a person and fatal to a strict reader: chunks
without choices, ``null`` deltas, content in parts, whole answers in one piece, errors without an ``error`` key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WEB_PAGE: Final = "web_page"
"""Error code where an HTML page came in place of an answer."""

NOT_AN_ANSWER: Final = "not_an_answer"
"""Error code where something else came that is neither a stream nor JSON."""

_DONE: Final = "[DONE]"
_FIELDS: Final = ("data", "event", "id", "retry")
_EXCERPT_CHARS: Final = 200
_FAILED: Final = "error"
_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "thinking")


class ChatStreamReader:
    """Turns the body of a successful chat response into a stream of well-formed events, however it is cut.

    ``feed()`` takes bytes and returns what can be passed on; ``flush()`` is called at the end of the body.
    ``has_assumed_end`` tells that ``[DONE]`` came without a finish reason, which is taken for a normal end.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._is_stream: bool | None = None
        self._event: list[str] = []
        self._is_error_event = False
        self._has_finish_reason = False
        self.has_assumed_end = False

    def feed(self, data: bytes) -> bytes:
        """Return the events that are complete by now."""
        self._buffer += data
        if self._is_stream is None and (start := self._buffer.lstrip(b"\xef\xbb\xbf \t\r\n")):
            if not _can_be_decided(start):
                return b""
            self._is_stream = _starts_a_stream(start)
        if not self._is_stream:
            return b""  # one document: it is read at its end
        *lines, self._buffer = self._buffer.replace(b"\r\n", b"\n").split(b"\n")
        return b"".join(self._read_line(line.decode("utf-8", "replace")) for line in lines)

    def flush(self) -> bytes:
        """Return the last events."""
        rest, self._buffer = self._buffer.decode("utf-8", "replace"), b""
        if self._is_stream:
            return self._read_line(rest) + self._read_line("")
        return b"".join(self._read_document(rest.strip())) if rest.strip() else b""

    def _read_line(self, line: str) -> bytes:
        if line.startswith(":"):
            return f"{line}\n\n".encode()  # a sign of life
        if line.strip():
            name, _, value = line.partition(":")
            if name == "data":
                self._event.append(value.removeprefix(" "))
            elif name == "event":
                self._is_error_event = value.strip() == _FAILED
            return b""
        data, self._event = "\n".join(self._event), []
        is_error, self._is_error_event = self._is_error_event, False
        return b"".join(self._read_event(data, is_error=is_error)) if data.strip() else b""

    def _read_event(self, data: str, *, is_error: bool) -> Iterator[bytes]:
        if data.strip() == _DONE:
            yield from self._end()
            return
        try:
            event: Any = json.loads(data)
        except ValueError:
            yield _write_error({"message": data[:_EXCERPT_CHARS]}) if is_error else f"data: {data}\n\n".encode()
            return
        if not isinstance(event, dict):
            yield _write_error({"message": str(event)[:_EXCERPT_CHARS]}) if is_error else b""
            return
        fields = cast("dict[str, Any]", event)
        yield from self._read_chunk(fields, is_error=is_error)

    def _read_chunk(self, event: dict[str, Any], *, is_error: bool = False) -> Iterator[bytes]:
        error = find_error(event) or ({"message": json.dumps(event)[:_EXCERPT_CHARS]} if is_error else None)
        chunk = normalise_chunk(event)
        if chunk["choices"] or not error:
            self._has_finish_reason = self._has_finish_reason or any(
                choice["finish_reason"] for choice in chunk["choices"]
            )
            yield _write_event(chunk)
        if error or any(choice["finish_reason"] == _FAILED for choice in chunk["choices"]):
            yield _write_error(error or {"message": "the finish reason is error"})

    def _read_document(self, text: str) -> Iterator[bytes]:
        """Read a body that is no stream: a whole answer, an error, or something else."""
        try:
            document: Any = json.loads(text)
        except ValueError:
            is_page = text.lstrip("\ufeff").startswith("<")
            yield _write_error({"message": text[:_EXCERPT_CHARS], "code": WEB_PAGE if is_page else NOT_AN_ANSWER})
            return
        if not isinstance(document, dict) or not (find_error(document) or document.get("choices")):
            yield _write_error({"message": text[:_EXCERPT_CHARS], "code": NOT_AN_ANSWER})
            return
        yield from self._read_chunk(cast("dict[str, Any]", document))
        yield from self._end()

    def _end(self) -> Iterator[bytes]:
        if not self._has_finish_reason:
            self.has_assumed_end = True
            yield _write_event(normalise_chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        yield f"data: {_DONE}\n\n".encode()


def normalise_chunk(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chunk with one choice at most, whose delta is an object and whose content is text."""
    choices = event.get("choices")
    listed = (
        [cast("dict[str, Any]", each) for each in choices if isinstance(each, dict)]
        if isinstance(choices, list)
        else []
    )
    first = [choice for choice in listed if not choice.get("index")][:1]
    chunk = {
        **event,
        "id": event.get("id") or "",
        "object": "chat.completion.chunk",
        "choices": [
            {"index": 0, "delta": _normalise_delta(choice), "finish_reason": choice.get("finish_reason") or None}
            for choice in first
        ],
    }
    usage = event.get("usage")
    keys = ("prompt_tokens", "completion_tokens")
    if not (isinstance(usage, dict) and all(isinstance(usage.get(key), int) for key in keys)):
        chunk.pop("usage", None)
    return chunk


def _normalise_delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice's delta; of a whole answer its message."""
    found = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
    delta: dict[str, Any] = dict(found) if isinstance(found, dict) else {"content": found}
    text, reasoning = _split_content(delta.get("content"))
    refusal = delta.get("refusal")
    for key in _REASONING_KEYS:
        reasoning += delta[key] if isinstance(delta.get(key), str) else ""
    normalised = {"role": "assistant", "content": text or (refusal if isinstance(refusal, str) else "")}
    return {**normalised, "reasoning_content": reasoning} if reasoning else normalised


def _split_content(content: object) -> tuple[str, str]:
    """Return text and thoughts of a content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content, ""
    text, reasoning = "", ""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            text += part
        elif isinstance(part, dict):
            fields = cast("dict[str, Any]", part)
            if isinstance(fields.get("text"), str) and fields.get("type") in {None, "text", "output_text"}:
                text += fields["text"]
            else:
                thought = fields.get("thinking", fields.get("text"))
                reasoning += thought if isinstance(thought, str) else _split_content(thought)[0]
    return text, reasoning


def find_error(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the error that an event reports, with a ``message``; None if it reports none."""
    error = event.get("error")
    if isinstance(error, dict):
        fields = cast("dict[str, Any]", error)
        return {**fields, "message": str(fields.get("message") or fields or "no reason given")[:_EXCERPT_CHARS]}
    if error:
        return {"message": str(error)[:_EXCERPT_CHARS], "code": event.get("code")}
    if "choices" not in event and (event.get("object") == _FAILED or event.get("type") == _FAILED):
        return {"message": str(event.get("message"))[:_EXCERPT_CHARS], "code": event.get("code")}
    if not event.get("choices") and "usage" not in event and (message := event.get("message") or event.get("detail")):
        return {"message": str(message)[:_EXCERPT_CHARS], "code": event.get("code")}
    return None


def _can_be_decided(start: bytes) -> bool:
    return len(start) >= len(b"retry:") or b"\n" in start or start[:1] in b"{[<:"


def _starts_a_stream(start: bytes) -> bool:
    return start.startswith((b":", *(f"{name}:".encode() for name in _FIELDS)))


def _write_event(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _write_error(error: Mapping[str, Any]) -> bytes:
    return _write_event({"error": {"type": None, "code": None, **error}})
