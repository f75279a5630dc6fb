"""Builds LlamaIndex's models for OpenAI and OpenAI-compatible servers, and bears with what such servers do.

LlamaIndex's classes ignore ``OPENAI_BASE_URL`` and would send a team's documents to OpenAI. So the address is always
passed, and checked after construction.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import httpx
import openai
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.embeddings.openai import OpenAIEmbedding  # type: ignore[import-untyped] # it ships no py.typed
from llama_index.llms.openai.utils import (
    ALL_AVAILABLE_MODELS,
    O1_MODELS,
    to_openai_message_dicts,
)
from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-untyped] # it ships no py.typed

from bot import errors
from bot.domain.model_server import OPENAI_URL
from bot.domain.proxies import NO_PROXIES, Proxies
from bot.knowledge.models.chat_stream import ChatStreamReader
from bot.knowledge.models.model_errors import MODEL_ERRORS, VectorsInvalid, describe_reason, parse_retry_after
from bot.knowledge.models.usage import UsageCounter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from llama_index.core.base.llms.types import ChatResponseAsyncGen
    from pydantic import SecretStr

    from bot.knowledge.models.chat_stream import ChatUpdate

FALLBACK_WINDOW: Final = 8_192
"""Context window in tokens of a model that says nothing about itself: what the smallest servers in use offer."""

ANSWER_TOKENS: Final = 1_024
"""The longest answer, in tokens, unless another length is chosen."""

_REQUEST_REJECTED: Final = (openai.APIStatusError, openai.APIConnectionError)  # before the stream, never in its midst
_TIMEOUT: Final = httpx.Timeout(
    120.0, connect=5.0
)  # seconds; whoever waits for deltas has earlier deadlines of its own
_TEMPERATURE: Final = 0.1
_REASONING_TOKENS: Final = 4_096
_MAX_WAIT: Final = 20.0  # seconds of a Retry-After that are waited for before the first word
_JOIN_SECONDS: Final = 0.02
"""Seconds within which deltas are joined: an edit shows them together anyway, and each delta of its own costs CPU."""

_OPTIONAL_PARAMETERS: Final = (
    "max_completion_tokens",
    "max_tokens",
    "temperature",
    "stream_options",
    "stop",
    "reasoning_effort",
    "top_p",
)
_UNSUPPORTED: Final = re.compile(
    r"support|unrecogni[sz]ed|unknown|unexpected|not (?:permitted|allowed)|extra (?:inputs|fields)|invalid param",
    re.IGNORECASE,
)
_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_BAD_REQUEST: Final = frozenset({400, 422})
_TOO_LARGE: Final = frozenset({400, 413, 422})
_REASONING_NAME: Final = re.compile(r"(^|/)(o\d|gpt-5)", re.IGNORECASE)


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LanguageModelChoice:
    """A model that writes.

    Attributes:
        name: The model's name, as its server calls it.
        api_base: The server's address; None is OpenAI's own.
        api_key: The key; None where the server asks for none.
        context_window: Tokens it reads at most; None if unknown.
        answer_tokens: The longest answer in tokens.
        options: Parameters that are added to every request, or replace ours.
        headers: Headers that are added to every request.
        fallback: The model that is asked where this one fails before its first word.
        proxies: The HTTP proxies, one of which may carry the requests.
    """

    name: str
    api_base: str | None = None
    api_key: SecretStr | None = None
    context_window: int | None = None
    answer_tokens: int = ANSWER_TOKENS
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    fallback: LanguageModelChoice | None = None
    proxies: Proxies = NO_PROXIES

    @property
    def window(self) -> int:
        """The context window in tokens: as chosen, else as known for OpenAI's models, else ``FALLBACK_WINDOW``."""
        return self.context_window or ALL_AVAILABLE_MODELS.get(self.name, FALLBACK_WINDOW)

    @property
    def max_answer_tokens(self) -> int:
        """The longest answer in tokens: as chosen, but no more than a quarter of the window, which is to be read in."""
        return max(1, min(self.answer_tokens, self.window // 4))

    @property
    def is_openai(self) -> bool:
        """Whether it is asked at OpenAI itself, not at a server that only speaks like it."""
        return (urlsplit(self.api_base or OPENAI_URL).hostname or "").endswith("openai.com")

    @property
    def may_reason(self) -> bool:
        """Whether it may think before it writes: models known for it, and OpenAI's that are too new to be known."""
        is_reasoning = self.name in O1_MODELS or _REASONING_NAME.search(self.name) is not None
        return is_reasoning or (self.is_openai and self.name not in ALL_AVAILABLE_MODELS)


@dataclass(frozen=True, slots=True)
class EmbeddingChoice:
    """A model that embeds, behind OpenAI's protocol; fields as of ``LanguageModelChoice``."""

    name: str
    api_base: str | None = None
    api_key: SecretStr | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    proxies: Proxies = NO_PROXIES


@dataclass(slots=True)
class _LearnedLimits:
    """What a server's replies have shown, for every later request of the process."""

    unsupported: set[str] = field(default_factory=set[str])
    has_reasoned: bool = False
    batch_size: int | None = None


class StreamingModel(OpenAILike):  # type: ignore[misc] # its base ships no py.typed
    """An OpenAI-compatible model that can be watched while it streams, and that adapts to what its server accepts.

    LlamaIndex passes on the text alone; why a stream ended is in the updates. ``with_usage`` gives a copy whose
    ``usage_counter`` sees them: one copy per answer, all over the same connections.
    """

    _usage_counter: UsageCounter = PrivateAttr(default_factory=UsageCounter)
    _learned: _LearnedLimits = PrivateAttr(default_factory=_LearnedLimits)
    _fallback: StreamingModel | None = PrivateAttr(default=None)

    def with_usage(self) -> StreamingModel:
        """Return a copy with a fresh usage counter."""
        return self._with_counter(UsageCounter())

    def _with_counter(self, counter: UsageCounter) -> StreamingModel:
        copy = cast("StreamingModel", self.model_copy())
        copy._usage_counter = counter  # noqa: SLF001 # our own field, on our own copy
        return copy

    @property
    def usage_counter(self) -> UsageCounter:
        """What the streams of this copy have reported."""
        return self._usage_counter

    def set_fallback(self, model: StreamingModel | None) -> None:
        """Set the model that is asked where this one fails before its first word."""
        self._fallback = model

    async def aclose(self) -> None:
        """Close the connections, of every copy."""
        await self._get_aclient().close()
        if self._fallback is not None:
            await self._fallback.aclose()

    def _get_credential_kwargs(self, is_async: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 # as inherited
        return {**super()._get_credential_kwargs(is_async), "timeout": _TIMEOUT}

    def _get_model_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        wanted = cast("dict[str, Any]", super()._get_model_kwargs(**kwargs))  # pyright: ignore[reportUnnecessaryCast] - mypy needs it
        if self._learned.has_reasoned:
            for name in _LIMITS:
                if isinstance(wanted.get(name), int):
                    wanted[name] += _REASONING_TOKENS
        if "max_tokens" in self._learned.unsupported and isinstance(wanted.get("max_tokens"), int):
            wanted.setdefault("max_completion_tokens", wanted["max_tokens"])
        return {name: value for name, value in wanted.items() if name not in self._learned.unsupported}

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return self._stream_adaptively(messages, kwargs)

    async def _stream_adaptively(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseAsyncGen:
        """Yield the responses; before the first word, ask again as the server's error allows, then the fallback."""
        has_text, has_waited = False, False
        while True:
            try:
                async for response in self._observe_stream(messages, kwargs):
                    has_text = has_text or bool(response.delta)
                    yield response
            except MODEL_ERRORS as error:
                if has_text:
                    raise
                if self._drop_unsupported_parameter(error):
                    continue
                if not has_waited and (wait := _find_short_wait(error)) is not None:
                    has_waited = True
                    _log.info("%s is busy: asking again in %.0f s", self.model, wait)
                    await asyncio.sleep(wait)
                    continue
                if self._fallback is None:
                    raise
                _log.warning("asking %s instead of %s: %s", self._fallback.model, self.model, describe_reason(error))
                break
            return
        fallback = self._fallback._with_counter(self._usage_counter)  # noqa: SLF001 # of the same class
        async for response in fallback._stream_adaptively(messages, kwargs):  # noqa: SLF001 # likewise
            yield response

    async def _observe_stream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseAsyncGen:
        """Yield the responses of one request, counted from when it is sent: when the first is awaited."""
        self._usage_counter.start(messages)
        text = ""
        try:
            async with aclosing(self._request_updates(messages, kwargs)) as updates:
                async for update in updates:
                    if update.reasoning and not self.metadata_may_reason:
                        self._learned.has_reasoned = True
                    self._usage_counter.observe(update)
                    text += update.text
                    yield ChatResponse(
                        message=ChatMessage(text, role=MessageRole.ASSISTANT),
                        delta=update.text,
                        additional_kwargs={"thinking_delta": update.reasoning} if update.reasoning else {},
                    )
        except _REQUEST_REJECTED as error:
            if not isinstance(error, openai.APITimeoutError):
                self._usage_counter.cancel()
            raise

    async def _request_updates(
        self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]
    ) -> AsyncGenerator[ChatUpdate]:
        """Send one request and yield what arrives, one update for each piece of the body.

        The OpenAI client's and LlamaIndex's own reading takes 0.6 CPU milliseconds for each token, this 0.1.

        Raises:
            openai.APIError: the server reports an error within the stream.
        """
        requests = self._get_aclient().chat.completions.with_streaming_response
        async with (
            requests.create(
                messages=cast("Any", to_openai_message_dicts(messages, model=self.model)),
                **self._get_model_kwargs(stream=True, **kwargs),
            ) as response,
            aclosing(_read_updates(response.iter_bytes())) as updates,
        ):
            async for update in updates:
                yield update
                if update.error is not None:
                    raise openai.APIError(str(update.error["message"]), response.http_request, body=update.error)

    @property
    def metadata_may_reason(self) -> bool:
        """Whether the token limit has room for reasoning from the start."""
        return _REASONING_NAME.search(self.model) is not None or self.model in O1_MODELS

    def _drop_unsupported_parameter(self, error: Exception) -> bool:
        """Remember a parameter that the server refuses; whether there is one, and it was sent."""
        if not isinstance(error, openai.APIStatusError) or error.status_code not in _BAD_REQUEST:
            return False
        sent = self._get_model_kwargs(stream=True)
        name = _find_parameter(error, [each for each in _OPTIONAL_PARAMETERS if each in sent])
        if name is None:
            return False
        _log.warning("%s does not accept %s: asking without it from now on", self.model, name)
        self._learned.unsupported.add(name)
        return True


class RemoteEmbedding(OpenAIEmbedding):  # type: ignore[misc] # its base ships no py.typed
    """An embedding model behind OpenAI's protocol, whose connections can be closed.

    Where a server refuses a batch for its size, the batch is halved, and later ones are no larger.
    """

    _learned: _LearnedLimits = PrivateAttr(default_factory=_LearnedLimits)

    async def aclose(self) -> None:
        """Close the connections, those of the blocking methods too."""
        await self._get_aclient().close()
        self._get_client().close()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        size = min(self._learned.batch_size or len(texts), len(texts))
        vectors: list[list[float]] = []
        while len(vectors) < len(texts):
            batch = texts[len(vectors) : len(vectors) + size]
            try:
                found = super()._get_text_embeddings(batch)
            except openai.APIStatusError as error:
                if error.status_code not in _TOO_LARGE or size == 1:
                    raise
                size = self._learned.batch_size = (size + 1) // 2
                _log.warning("%s refused %d texts at once: sending %d", self.model_name, len(batch), size)
                continue
            vectors += _check_vectors(found, len(batch))
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _get_credential_kwargs(self, is_async: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 # as inherited
        return {**super()._get_credential_kwargs(is_async), "timeout": _TIMEOUT}


def build_language_model(choice: LanguageModelChoice) -> StreamingModel:
    """The model that writes, ready to stream; its clients are made now, which takes 0.7 s the first time.

    Raises:
        SettingsInvalid: the model does not speak through chat completions, or would be asked at another address.
    """
    try:
        model = StreamingModel(
            model=choice.name,
            is_chat_model=True,
            context_window=choice.window,
            temperature=_TEMPERATURE,
            max_tokens=None if choice.is_openai else _compute_token_limit(choice),
            additional_kwargs=_build_extra_arguments(choice),
            **_build_connection_arguments(choice),
        )
    except ValueError as error:
        raise errors.SettingsInvalid(
            [
                errors.Problem(
                    "LLM_MODEL",
                    f"names a model that cannot be used here: {choice.name} does not answer chat completions",
                    "Choose one that does, such as gpt-4.1-mini.",
                )
            ]
        ) from error
    _ensure_address(model.api_base, choice)
    model.set_fallback(None if choice.fallback is None else build_language_model(choice.fallback))
    _ignore_environment(model, choice)
    _ = model._get_aclient().chat  # noqa: SLF001 # the first access imports half a second's worth of modules
    return model


def build_embedding_model(choice: EmbeddingChoice) -> RemoteEmbedding:
    """The model that embeds. Its synchronous methods block: call them in a thread.

    Raises:
        SettingsInvalid: it would be asked at another address than the one that was chosen.
    """
    options = {"extra_body": _flatten_options(choice.options)} if choice.options else {}
    model = RemoteEmbedding(model_name=choice.name, additional_kwargs=options, **_build_connection_arguments(choice))
    _ensure_address(model.api_base, choice)
    _ignore_environment(model, choice)
    _ = model._get_aclient().embeddings  # noqa: SLF001 # made now, so that the first question finds it
    return model


def _build_connection_arguments(choice: LanguageModelChoice | EmbeddingChoice) -> dict[str, Any]:
    """Return how a model's server is reached.

    Nothing but the choice decides that: no variable of the environment, no ``.netrc``, no redirect.
    """
    address = choice.api_base or OPENAI_URL
    transport: dict[str, Any] = {
        "timeout": _TIMEOUT,
        "follow_redirects": False,
        "trust_env": False,
        "proxy": choice.proxies.find(address),
        "verify": httpx.create_ssl_context(),  # the system's own certificates, where SSL_CERT_FILE names them
    }
    return {
        "api_base": address,
        # A server without keys still wants a header, and the client would look for OPENAI_API_KEY by itself.
        "api_key": choice.api_key.get_secret_value() if choice.api_key else "none",
        "max_retries": 1,
        "timeout": _TIMEOUT.read,
        "default_headers": dict(choice.headers),
        "http_client": openai.DefaultHttpxClient(**transport, event_hooks={"response": [_disable_retry_blocking]}),
        "async_http_client": openai.DefaultAsyncHttpxClient(
            **transport,
            headers={"Accept-Encoding": "identity"},  # a compressed stream could not be read while it comes
            event_hooks={"response": [_disable_retry]},
        ),
    }


def _ignore_environment(model: StreamingModel | RemoteEmbedding, choice: LanguageModelChoice | EmbeddingChoice) -> None:
    """Undo what the OpenAI clients took from OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS."""
    for client in (model._get_client(), model._get_aclient()):  # noqa: SLF001 # LlamaIndex has no public name for them
        client.organization = client.project = client.admin_api_key = None
        client._custom_headers = dict(choice.headers)  # noqa: SLF001 # nor has the OpenAI client


def _ensure_address(address: str | None, choice: LanguageModelChoice | EmbeddingChoice) -> None:
    if address != (choice.api_base or OPENAI_URL):
        setting = "OPENAI_BASE_URL" if isinstance(choice, LanguageModelChoice) else "EMBED_BASE_URL"
        raise errors.SettingsInvalid(
            [
                errors.Problem(
                    setting,
                    f"would not be obeyed: the installed library would ask {choice.name} at another address",
                    "Nothing was sent. Install the locked versions (uv sync), and report this if it stays so.",
                )
            ]
        )


async def _disable_retry(response: httpx.Response) -> None:
    """As ``_disable_retry_blocking``."""
    _disable_retry_blocking(response)


def _disable_retry_blocking(response: httpx.Response) -> None:
    """Keep the client from waiting for a ``Retry-After`` (up to two minutes): people hear at once when to ask again."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS or "retry-after" in response.headers:
        response.headers["x-should-retry"] = "false"


def _build_extra_arguments(choice: LanguageModelChoice) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if choice.may_reason:
        extra["temperature"] = openai.omit  # reasoning models refuse a request that has one
    if choice.is_openai:
        extra["stream_options"] = {"include_usage": True}  # some gateways refuse a request that has these
        extra["max_completion_tokens"] = _compute_token_limit(choice)  # OpenAI's newer models refuse ``max_tokens``
    if choice.options:
        extra["extra_body"] = _flatten_options(choice.options)
    return extra


def _flatten_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operator's options as fields of the request; ``extra_body``, as the client calls them, is unpacked."""
    nested = options.get("extra_body")
    named = {name: value for name, value in options.items() if name != "extra_body"}
    return {**named, **nested} if isinstance(nested, dict) else named


def _compute_token_limit(choice: LanguageModelChoice) -> int:
    """Return the limit that is sent: a server counts reasoning as written, which is not the answer."""
    return choice.max_answer_tokens + (_REASONING_TOKENS if choice.may_reason else 0)


def _find_parameter(error: openai.APIStatusError, sent: Sequence[str]) -> str | None:
    """Return the parameter that a refusal names, of those that were sent."""
    text = error.message
    if not _UNSUPPORTED.search(f"{text} {error.code}"):
        return None
    if error.param in sent:
        return str(error.param)
    # "max_tokens is not supported, use max_completion_tokens": the first that is named is the one that is refused.
    named = [(match.start(), name) for name in sent if (match := re.search(rf"\b{name}\b", text))]
    return min(named)[1] if named else None


def _find_short_wait(error: Exception) -> float | None:
    """Return the seconds of a short ``Retry-After``; None if there is none, or a long one."""
    if not isinstance(error, openai.APIStatusError):
        return None
    seconds = parse_retry_after(error.response.headers)
    return seconds if seconds is not None and 0 <= seconds <= _MAX_WAIT else None


def _check_vectors(vectors: list[list[float]], count: int) -> list[list[float]]:
    """Return the vectors of a batch.

    Raises:
        VectorsInvalid: there are more or fewer than texts, or one is empty or not finite, or they differ in length.
    """
    if len(vectors) != count:
        raise VectorsInvalid(f"the server returned {len(vectors)} vectors for {count} texts")
    if not all(vectors):
        raise VectorsInvalid("the server returned an empty vector")
    if len({len(vector) for vector in vectors}) > 1:
        raise VectorsInvalid("the server returned vectors of different lengths")
    if not all(math.isfinite(number) for vector in vectors for number in vector):
        raise VectorsInvalid("the server returned a vector with a number that is not finite")
    return vectors


async def _read_updates(body: AsyncIterator[bytes]) -> AsyncGenerator[ChatUpdate]:
    """Yield what a response's body tells: the first delta at once, then what arrived within ``_JOIN_SECONDS`` together.

    Raises:
        httpx.HTTPError: the body broke off; what had arrived was yielded before.
    """
    reader, has_news = ChatStreamReader(), asyncio.Event()

    async def read() -> None:
        try:
            async for data in body:
                reader.feed(data)
                has_news.set()
                if reader.is_over:
                    return
            reader.flush()
        finally:
            has_news.set()

    reading = asyncio.create_task(read())
    try:
        is_over = False
        while not is_over:
            await has_news.wait()
            has_news.clear()
            is_over = reading.done() or reader.is_over
            if update := reader.take():
                yield update
            if not is_over:
                await asyncio.sleep(_JOIN_SECONDS)
        await reading
        if update := reader.take():
            yield update
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if reader.has_assumed_end:
        _log.info("the model's server ended a stream without a finish reason: taken for complete")
