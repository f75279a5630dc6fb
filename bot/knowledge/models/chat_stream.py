"""Reads chat streams as OpenAI-compatible servers really send them, once, and joins deltas that arrived together.

Pure: bytes in, updates out. Servers differ in ways that are harmless to a person and fatal to a strict reader: chunks
without choices, ``null`` deltas, content in parts, whole answers in one piece, errors without an ``error`` key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

WEB_PAGE: Final = "web_page"
"""Error code where an HTML page came in place of an answer."""

NOT_AN_ANSWER: Final = "not_an_answer"
"""Error code where something else came that is neither a stream nor JSON."""

_DONE: Final = "[DONE]"
_FIELDS: Final = ("data", "event", "id", "retry")
_EXCERPT_CHARS: Final = 200
_FAILED: Final = "error"
_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class ChatUpdate:
    """What has arrived of a stream.

    Attributes:
        text: The answer's new text.
        reasoning: The model's new reasoning.
        finish_reason: Why the model ended; None if it has not.
        usage: Tokens of prompt and completion, as reported; None if they were not.
        error: An error that the server reports after the text, with a ``message``; nothing comes after it.
        is_done: Whether the stream has ended; nothing comes after it.
    """

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: tuple[int, int] | None = None
    error: Mapping[str, Any] | None = None
    is_done: bool = False


class ChatStreamReader:
    """Reads the body of a successful chat response, however it is cut.

    ``feed()`` takes bytes, ``flush()`` is called at the end of the body, ``take()`` returns what is new since the last.
    ``has_assumed_end`` tells that ``[DONE]`` came without a finish reason, which is taken for a normal end.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._is_stream: bool | None = None
        self._event: list[str] = []
        self._is_error_event = False
        self._has_finish_reason = False
        self._new = _Update()
        self.has_assumed_end = False

    @property
    def is_over(self) -> bool:
        """Whether nothing counts that comes later: after the end, or an error."""
        return self._new.is_over

    def feed(self, data: bytes) -> None:
        """Read the events that are complete by now."""
        self._buffer += data
        if self._is_stream is None and (start := self._buffer.lstrip(b"\xef\xbb\xbf \t\r\n")):
            if not _can_be_decided(start):
                return
            self._is_stream = _starts_a_stream(start)
        if self._is_stream:  # otherwise one document: it is read at its end
            *lines, self._buffer = self._buffer.replace(b"\r\n", b"\n").split(b"\n")
            for line in lines:
                self._read_line(line.decode("utf-8", "replace"))

    def flush(self) -> None:
        """Read the rest."""
        rest, self._buffer = self._buffer.decode("utf-8", "replace"), b""
        if self._is_stream:
            self._read_line(rest)
            self._read_line("")
        elif rest.strip():
            self._read_document(rest.strip())

    def take(self) -> ChatUpdate | None:
        """Return what has been read since the last call, joined; None if that is nothing."""
        update = self._new.build()
        self._new = _Update(is_over=self._new.is_over)
        return update

    def _read_line(self, line: str) -> None:
        if not line.strip():
            data, self._event = "\n".join(self._event), []
            is_error, self._is_error_event = self._is_error_event, False
            if data.strip() and not self._new.is_over:
                self._read_event(data, is_error=is_error)
        elif not line.startswith(":"):  # a comment is a sign of life
            name, _, value = line.partition(":")
            if name == "data":
                self._event.append(value.removeprefix(" "))
            elif name == "event":
                self._is_error_event = value.strip() == _FAILED

    def _read_event(self, data: str, *, is_error: bool) -> None:
        if data.strip() == _DONE:
            self._end()
            return
        try:
            event: Any = json.loads(data)
        except ValueError:
            reason = data if is_error else "the stream holds an event that is not JSON"
            self._new.fail({"message": reason[:_EXCERPT_CHARS]})
            return
        if isinstance(event, dict):
            self._read_chunk(cast("dict[str, Any]", event), is_error=is_error)
        elif is_error:
            self._new.fail({"message": str(event)[:_EXCERPT_CHARS]})

    def _read_chunk(self, event: dict[str, Any], *, is_error: bool = False) -> None:
        choice = _find_first_choice(event)
        if choice is not None:
            text, reasoning = _read_delta(choice)
            self._new.texts.append(text)
            self._new.reasonings.append(reasoning)
            if reason := choice.get("finish_reason"):
                self._new.finish_reason = str(reason)
                self._has_finish_reason = True
        self._new.usage = _read_usage(event) or self._new.usage
        error = _find_error(event) or ({"message": json.dumps(event)[:_EXCERPT_CHARS]} if is_error else None)
        if error is None and choice is not None and choice.get("finish_reason") == _FAILED:
            error = {"message": "the finish reason is error"}
        if error is not None:
            self._new.fail(error)

    def _read_document(self, text: str) -> None:
        """Read a body that is no stream: a whole answer, an error, or something else."""
        try:
            document: Any = json.loads(text)
        except ValueError:
            is_page = text.lstrip("\ufeff").startswith("<")
            self._new.fail({"message": text[:_EXCERPT_CHARS], "code": WEB_PAGE if is_page else NOT_AN_ANSWER})
            return
        if not isinstance(document, dict) or not (_find_error(document) or document.get("choices")):
            self._new.fail({"message": text[:_EXCERPT_CHARS], "code": NOT_AN_ANSWER})
            return
        self._read_chunk(cast("dict[str, Any]", document))
        if not self._new.is_over:
            self._end()

    def _end(self) -> None:
        if not self._has_finish_reason:
            self.has_assumed_end = True
            self._new.finish_reason = "stop"
        self._new.is_done = self._new.is_over = True


class _Update:
    """A ``ChatUpdate`` in the making; ``is_over`` once nothing counts that comes later."""

    def __init__(self, *, is_over: bool = False) -> None:
        self.texts: list[str] = []
        self.reasonings: list[str] = []
        self.finish_reason: str | None = None
        self.usage: tuple[int, int] | None = None
        self.error: Mapping[str, Any] | None = None
        self.is_done = False
        self.is_over = is_over

    def fail(self, error: Mapping[str, Any]) -> None:
        self.error = error
        self.is_over = True

    def build(self) -> ChatUpdate | None:
        text, reasoning = "".join(self.texts), "".join(self.reasonings)
        if not (text or reasoning or self.finish_reason or self.usage or self.error or self.is_done):
            return None
        return ChatUpdate(text, reasoning, self.finish_reason, self.usage, self.error, self.is_done)


def _find_first_choice(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the choice with index 0: a second one is never mixed in."""
    choices = event.get("choices")
    if not isinstance(choices, list):
        return None
    return next((choice for choice in choices if isinstance(choice, dict) and not choice.get("index")), None)


def _read_usage(event: Mapping[str, Any]) -> tuple[int, int] | None:
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (prompt, completion) if isinstance(prompt, int) and isinstance(completion, int) else None


def _read_delta(choice: Mapping[str, Any]) -> tuple[str, str]:
    """Return text and reasoning of the choice's delta; of a whole answer its message's."""
    found = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
    delta: Mapping[str, Any] = found if isinstance(found, dict) else {"content": found}
    text, reasoning = _split_content(delta.get("content"))
    for key in _REASONING_KEYS:
        thought = delta.get(key)
        reasoning += thought if isinstance(thought, str) else ""
    refusal = delta.get("refusal")
    return text or (refusal if isinstance(refusal, str) else ""), reasoning


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


def _find_error(event: Mapping[str, Any]) -> dict[str, Any] | None:
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
