"""Model choices in, LlamaIndex models out; and what goes wrong with a model, put into words.

LlamaIndex's classes ignore ``OPENAI_BASE_URL`` and would send a team's documents to OpenAI. So the address is always
passed, and looked at once more after construction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import httpx
import openai
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.embeddings.openai import OpenAIEmbedding  # type: ignore[import-untyped] # it ships no py.typed
from llama_index.llms.openai.utils import (
    ALL_AVAILABLE_MODELS,
    O1_MODELS,
)
from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-untyped] # it ships no py.typed

from bot import errors
from bot.knowledge.models.usage import INTERRUPTED, UsageCounter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.llms.types import ChatMessage, ChatResponseAsyncGen
    from pydantic import SecretStr

OPENAI_BASE: Final = "https://api.openai.com/v1"
"""Where a model lives when no address is given."""

FALLBACK_WINDOW: Final = 8_192
"""Context window in tokens of a model that says nothing about itself: what the smallest servers in use offer."""

ANSWER_TOKENS: Final = 1_024
"""The longest answer, in tokens, unless another length is chosen."""

MODEL_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, ValueError, TimeoutError)
"""What a model's client raises. ``ValueError`` is an event that is not JSON."""

_REQUEST_REJECTED: Final = (openai.APIStatusError, openai.APIConnectionError)  # before the stream, never in its midst
_TIMEOUT: Final = httpx.Timeout(
    120.0, connect=5.0
)  # seconds; whoever waits for deltas has earlier deadlines of its own
_TEMPERATURE: Final = 0.1
_REASONING_TOKENS: Final = 4_096
_REASONING_NAME: Final = re.compile(r"(^|/)(o\d|gpt-5)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LanguageModelChoice:
    """A model that writes. ``api_base`` None is OpenAI's own; ``context_window`` is in tokens, None if unknown.

    ``answer_tokens`` is how long an answer may become.
    """

    name: str
    api_base: str | None = None
    api_key: SecretStr | None = None
    context_window: int | None = None
    answer_tokens: int = ANSWER_TOKENS

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
        return (urlsplit(self.api_base or OPENAI_BASE).hostname or "").endswith("openai.com")

    @property
    def may_reason(self) -> bool:
        """Whether it may think before it writes: models known for it, and OpenAI's that are too new to be known."""
        is_reasoning = self.name in O1_MODELS or _REASONING_NAME.search(self.name) is not None
        return is_reasoning or (self.is_openai and self.name not in ALL_AVAILABLE_MODELS)


@dataclass(frozen=True, slots=True)
class EmbeddingChoice:
    """A model that embeds, behind OpenAI's protocol. ``api_base`` None is OpenAI's own."""

    name: str
    api_base: str | None = None
    api_key: SecretStr | None = None


class StreamingModel(OpenAILike):  # type: ignore[misc] # its base ships no py.typed
    """An OpenAI-compatible model that can be watched while it streams.

    LlamaIndex passes on the text alone; why a stream ended is in the raw events. ``with_usage`` gives a copy whose
    ``usage_counter`` sees them: one copy per answer, all over the same connections.
    """

    _usage_counter: UsageCounter = PrivateAttr(default_factory=UsageCounter)

    def with_usage(self) -> StreamingModel:
        """A copy with a fresh tally."""
        copy = cast("StreamingModel", self.model_copy())
        copy._usage_counter = UsageCounter()  # noqa: SLF001 # our own field, on our own copy
        return copy

    @property
    def usage_counter(self) -> UsageCounter:
        """What the streams of this copy have told."""
        return self._usage_counter

    async def aclose(self) -> None:
        """Close the connections, of every copy."""
        await self._get_aclient().close()

    def _get_credential_kwargs(self, is_async: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 # as inherited
        return {**super()._get_credential_kwargs(is_async), "timeout": _TIMEOUT}

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        responses = await super()._astream_chat(messages, **kwargs)
        return self._observe_stream(messages, responses)

    async def _observe_stream(
        self, messages: Sequence[ChatMessage], responses: ChatResponseAsyncGen
    ) -> ChatResponseAsyncGen:
        """The same responses, noted; the request goes out when the first is awaited, and from then on it counts."""
        self._usage_counter.start(messages)
        try:
            async for response in responses:
                self._usage_counter.observe(response.raw, response.additional_kwargs.get("thinking_delta", ""))
                yield response
        except _REQUEST_REJECTED as error:
            if not isinstance(error, openai.APITimeoutError):
                self._usage_counter.cancel()
            raise


class RemoteEmbedding(OpenAIEmbedding):  # type: ignore[misc] # its base ships no py.typed
    """An embedding model behind OpenAI's protocol, whose connections can be closed."""

    async def aclose(self) -> None:
        """Close the connections, those of the blocking methods too."""
        await self._get_aclient().close()
        self._get_client().close()

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
    _ = model._get_aclient().chat  # noqa: SLF001 # the first access imports half a second's worth of modules
    return model


def build_embedding_model(choice: EmbeddingChoice) -> RemoteEmbedding:
    """The model that embeds. Its synchronous methods block: call them in a thread.

    Raises:
        SettingsInvalid: it would be asked at another address than the one that was chosen.
    """
    model = RemoteEmbedding(model_name=choice.name, **_build_connection_arguments(choice))
    _ensure_address(model.api_base, choice)
    _ = model._get_aclient().embeddings  # noqa: SLF001 # made now, so that the first question finds it
    return model


def _build_connection_arguments(choice: LanguageModelChoice | EmbeddingChoice) -> dict[str, Any]:
    """How to reach a model's server. Headers, proxies and other kinds of server belong here."""
    return {
        "api_base": choice.api_base or OPENAI_BASE,
        # A server without keys still wants a header, and the client would look for OPENAI_API_KEY by itself.
        "api_key": choice.api_key.get_secret_value() if choice.api_key else "none",
        "max_retries": 1,
        "timeout": _TIMEOUT.read,
        "async_http_client": openai.DefaultAsyncHttpxClient(
            timeout=_TIMEOUT, event_hooks={"response": [_disable_retry]}
        ),
    }


def _ensure_address(address: str | None, choice: LanguageModelChoice | EmbeddingChoice) -> None:
    if address != (choice.api_base or OPENAI_BASE):
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
    """Tell the client not to sit out a ``Retry-After`` (up to two minutes): people hear at once when to ask again."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS or "retry-after" in response.headers:
        response.headers["x-should-retry"] = "false"


def _build_extra_arguments(choice: LanguageModelChoice) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if choice.may_reason:
        extra["temperature"] = openai.omit  # reasoning models refuse a request that has one
    if choice.is_openai:
        extra["stream_options"] = {"include_usage": True}  # some gateways refuse a request that has these
        extra["max_completion_tokens"] = _compute_token_limit(choice)  # OpenAI's newer models refuse ``max_tokens``
    return extra


def _compute_token_limit(choice: LanguageModelChoice) -> int:
    """What the server is told to write at most. What a model thinks counts as written there, and is not the answer."""
    return choice.max_answer_tokens + (_REASONING_TOKENS if choice.may_reason else 0)


_REFUSED: Final = (
    "The model's server does not accept the key, or not for this model. "
    "Whoever runs Docent needs to check OPENAI_API_KEY and LLM_MODEL."
)
_OUT_OF_CREDIT: Final = (
    "The account that pays for the model has no credit left. Whoever runs Docent needs to top it up."
)
_UNKNOWN: Final = "The model's server has no such model. Whoever runs Docent needs to check LLM_MODEL and EMBED_MODEL."
_UNREACHABLE: Final = (
    "The model's server cannot be reached. Try again in a minute; "
    "if it stays so, whoever runs Docent needs to check OPENAI_BASE_URL and the network."
)
_TOO_LONG: Final = (
    "The question and its passages are longer than the model can read. "
    "Ask a shorter question, or let whoever runs Docent check LLM_CONTEXT_WINDOW."
)
_NOT_ACCEPTED: Final = (
    "The model's server did not accept the request. Whoever runs Docent finds the reason in the log, "
    "and may need another LLM_MODEL."
)

_OVERLOADED: Final = frozenset({429, 503, 529})
_SERVER_ERROR: Final = 500
_BY_STATUS: Final[Mapping[int, tuple[type[errors.AnswerUnavailable], str]]] = {
    401: (errors.ModelAccessDenied, _REFUSED),
    402: (errors.ModelOutOfCredit, _OUT_OF_CREDIT),
    403: (errors.ModelAccessDenied, _REFUSED),
    404: (errors.ModelUnknown, _UNKNOWN),
}
_BY_CODE: Final[Mapping[str, tuple[type[errors.AnswerUnavailable], str]]] = {
    "insufficient_quota": (errors.ModelOutOfCredit, _OUT_OF_CREDIT),
    "billing_hard_limit_reached": (errors.ModelOutOfCredit, _OUT_OF_CREDIT),
    "context_length_exceeded": (errors.ContextTooLong, _TOO_LONG),
    "model_not_found": (errors.ModelUnknown, _UNKNOWN),
}


def map_model_error(error: Exception) -> errors.AnswerUnavailable:
    """The error of ours for one that a model's client raised (see ``MODEL_ERRORS``); to be raised *from* that one."""
    match error:
        case openai.APIStatusError():
            return _map_status_error(error)
        case openai.APIConnectionError() | httpx.ConnectError() | httpx.ConnectTimeout():
            return errors.ModelUnreachable(_UNREACHABLE)
        case openai.APIError():
            return _map_stream_error(error)
        case _:
            return errors.ModelInterrupted(INTERRUPTED)


def build_context_too_long() -> errors.ContextTooLong:
    """The error for a prompt that no trimming can make short enough."""
    return errors.ContextTooLong(_TOO_LONG)


def _map_status_error(error: openai.APIStatusError) -> errors.AnswerUnavailable:
    if known := _BY_CODE.get(_get_error_code(error)) or _BY_STATUS.get(error.status_code):
        kind, words = known
        return kind(words)
    if error.status_code in _OVERLOADED:
        return _build_busy_error(_parse_retry_after(error.response.headers))
    if error.status_code >= _SERVER_ERROR:
        return errors.ModelUnreachable("The model's server is in trouble. Try again in a minute.")
    return errors.AnswerUnavailable(_NOT_ACCEPTED)


def _map_stream_error(error: openai.APIError) -> errors.AnswerUnavailable:
    """The fault told by an error event in the midst of a stream."""
    kind, words = _BY_CODE.get(_get_error_code(error), (errors.ModelInterrupted, INTERRUPTED))
    return kind(words)


def _get_error_code(error: openai.APIError) -> str:
    body = cast("Mapping[str, object]", error.body) if isinstance(error.body, Mapping) else {}
    return str(error.code or body.get("type") or "")


def _build_busy_error(retry_after: float | None) -> errors.ModelBusy:
    when = "in a moment" if retry_after is None else f"in {_format_seconds(retry_after)}"
    return errors.ModelBusy(f"The model has too much to do. Try again {when}.", retry_after=retry_after)


def _format_seconds(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 120:  # noqa: PLR2004 # up to two minutes people think in seconds
        return f"{whole} s"
    return f"{round(whole / 60)} minutes"


def _parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until a retry is welcome. The other form of this header, a date, is rare and read as not said."""
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
