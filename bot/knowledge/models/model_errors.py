"""Maps what a model's client raises to errors whose messages say what happened and what to do."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final, cast

import httpx
import openai

from bot import errors
from bot.knowledge.models.chat_stream import NOT_AN_ANSWER, WEB_PAGE
from bot.knowledge.models.usage import INTERRUPTED

MODEL_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, ValueError, TimeoutError)
"""What a model's client raises. ``ValueError`` is an event that is not JSON."""

REASON_LIMIT: Final = 300
"""Characters of a server's own reason that are logged."""

_log = logging.getLogger(__name__)

_REFUSED: Final = (
    "The model's server does not accept the key, or not for this model. "
    "The bot's operator needs to check the key and {setting}."
)
_OUT_OF_CREDIT: Final = "The account that pays for the model has no credit left. The bot's operator needs to top it up."
_UNKNOWN: Final = "The model's server has no such model. The bot's operator needs to check {setting}."
_UNREACHABLE: Final = (
    "The model's server cannot be reached. Try again in a minute; "
    "if it stays so, the bot's operator needs to check OPENAI_BASE_URL and the network."
)
_WRONG_ADDRESS: Final = (
    "{what} Is OPENAI_BASE_URL right? It usually ends in /v1. The bot's operator finds more in the log."
)
_TOO_LONG: Final = (
    "The question and its passages are longer than the model can read. "
    "Ask a shorter question, or have the bot's operator check LLM_CONTEXT_WINDOW."
)
_NOT_ACCEPTED: Final = (
    "The model's server did not accept the request. The bot's operator finds the reason in the log, "
    "and may need another {setting}."
)
_NO_SUCH_ADDRESS: Final = "The model's server knows no such address (404)."
_REDIRECTED: Final = (
    "The model's address redirects to another one, which is not followed: nothing was sent there. "
    "The bot's operator needs to set the final address."
)
_TROUBLE: Final = "The model's server failed. Try again in a minute."

_OVERLOADED: Final = frozenset({429, 503, 529})
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_MESSAGES: Final[Mapping[type[errors.AnswerUnavailable], str]] = {
    errors.ModelAccessDenied: _REFUSED,
    errors.ModelOutOfCredit: _OUT_OF_CREDIT,
    errors.ModelUnknown: _UNKNOWN,
    errors.ContextTooLong: _TOO_LONG,
}
_BY_STATUS: Final[Mapping[int, type[errors.AnswerUnavailable]]] = {
    401: errors.ModelAccessDenied,
    402: errors.ModelOutOfCredit,
    403: errors.ModelAccessDenied,
}
_BY_CODE: Final[Mapping[str, type[errors.AnswerUnavailable]]] = {
    "insufficient_quota": errors.ModelOutOfCredit,
    "billing_hard_limit_reached": errors.ModelOutOfCredit,
    "context_length_exceeded": errors.ContextTooLong,
    "exceed_context_size_error": errors.ContextTooLong,  # llama.cpp
    "model_not_found": errors.ModelUnknown,
}
# Gateways answer with codes of their own; what went wrong stands in the message alone.
_BY_REASON: Final = (
    (
        re.compile(
            r"context (?:length|window|size)|maximum context|prompt is too long|too many tokens|n_ctx", re.IGNORECASE
        ),
        errors.ContextTooLong,
    ),
    (
        re.compile(
            r"model\b.{0,120}\b(?:not found|not exist|unknown)|(?:unknown|invalid|no such) model",
            re.IGNORECASE,
        ),
        errors.ModelUnknown,
    ),
    (re.compile(r"quota|insufficient (?:credit|balance|fund)|billing", re.IGNORECASE), errors.ModelOutOfCredit),
)
_WRONG_ADDRESSES: Final[Mapping[str, str]] = {
    WEB_PAGE: "The model's address answered with a web page.",
    NOT_AN_ANSWER: "The model's address answered with something that is not an answer of a model.",
}
_SECRET: Final = re.compile(r"\b(?:sk|pk|gsk|xai|hf|key)[-_][\w*.-]{3,}|(?<=[Bb]earer )\S+|(?<=://)[^/\s@]+@")


class VectorsInvalid(ValueError):
    """An embedding server returned vectors that cannot be kept; the message says why."""


def map_model_error(error: Exception, *, setting: str = "LLM_MODEL") -> errors.AnswerUnavailable:
    """Return the error of ours for one of ``MODEL_ERRORS``, to be raised from that one; log the server's own reason.

    ``setting`` names the model that was asked.
    """
    _log.warning("the server of %s failed: %s", setting, describe_reason(error))
    match error:
        case VectorsInvalid():
            return errors.AnswerUnavailable(f"Embedding failed: {error}. The bot's operator needs to check {setting}.")
        case openai.APIStatusError():
            return _map_status_error(error, setting)
        case openai.APIConnectionError() | httpx.ConnectError() | httpx.ConnectTimeout():
            return errors.ModelUnreachable(_UNREACHABLE)
        case openai.APIError():
            return _map_stream_error(error, setting)
        case _:
            return errors.ModelInterrupted(INTERRUPTED)


def build_context_too_long() -> errors.ContextTooLong:
    """Return the error for a prompt that no trimming can make short enough."""
    return errors.ContextTooLong(_TOO_LONG)


def describe_reason(error: Exception) -> str:
    """Return what a server gave as its reason: on one line, bounded, without keys."""
    kind = type(error).__name__
    status = f" {error.status_code}" if isinstance(error, openai.APIStatusError) else ""
    # Of other errors the message may hold an event's text, which is the model's.
    text = error.message if isinstance(error, openai.APIError) else ""
    if isinstance(error, openai.APIStatusError) and error.response.has_redirect_location:
        text = f"redirects to {_find_redirect_host(error.response)}, not followed"
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIConnectionError):
        sent = error.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        text = text.replace(sent, "…") if sent else text
    reason = " ".join(_SECRET.sub("…", text).split())[:REASON_LIMIT]
    return f"{kind}{status}: {reason}" if reason else f"{kind}{status}"


def _find_redirect_host(response: httpx.Response) -> str:
    """Return the host that a redirect leads to: the rest of the address may hold a key."""
    try:
        return httpx.URL(response.headers["location"]).host or "another path of its host"
    except httpx.InvalidURL:
        return "an address that is not valid"


def _map_status_error(error: openai.APIStatusError, setting: str) -> errors.AnswerUnavailable:
    if error.response.has_redirect_location:
        return errors.ModelUnreachable(_REDIRECTED)
    retry_after = parse_retry_after(error.response.headers)
    kind = _find_kind_by_code(error)
    if kind is None and (error.status_code not in _OVERLOADED or retry_after is None):
        kind = _find_kind_by_reason(error) or _BY_STATUS.get(error.status_code)
    if kind is not None:
        return kind(_MESSAGES[kind].format(setting=setting))
    if error.status_code in _OVERLOADED:
        return _build_busy_error(retry_after)
    if error.status_code == _NOT_FOUND:
        return errors.ModelUnreachable(_WRONG_ADDRESS.format(what=_NO_SUCH_ADDRESS))
    if error.status_code >= _SERVER_ERROR:
        return errors.ModelUnreachable(_TROUBLE)
    return errors.AnswerUnavailable(_NOT_ACCEPTED.format(setting=setting))


def _map_stream_error(error: openai.APIError, setting: str) -> errors.AnswerUnavailable:
    """Map an error that a stream reported."""
    if what := _WRONG_ADDRESSES.get(str(error.code)):
        return errors.ModelUnreachable(_WRONG_ADDRESS.format(what=what))
    if kind := _find_kind_by_code(error) or _find_kind_by_reason(error):
        return kind(_MESSAGES[kind].format(setting=setting))
    return errors.ModelInterrupted(INTERRUPTED)


def _find_kind_by_code(error: openai.APIError) -> type[errors.AnswerUnavailable] | None:
    body = cast("Mapping[str, object]", error.body) if isinstance(error.body, Mapping) else {}
    codes = (str(code) for code in (error.code, body.get("code"), body.get("type")))
    return next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)


def _find_kind_by_reason(error: openai.APIError) -> type[errors.AnswerUnavailable] | None:
    return next((kind for pattern, kind in _BY_REASON if pattern.search(error.message)), None)


def _build_busy_error(retry_after: float | None) -> errors.ModelBusy:
    when = "in a moment" if retry_after is None else f"in {_format_seconds(retry_after)}"
    return errors.ModelBusy(f"The model has too much to do (rate limit). Try again {when}.", retry_after=retry_after)


def _format_seconds(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 120:  # noqa: PLR2004 # up to two minutes people think in seconds
        return f"{whole} s"
    return f"{round(whole / 60)} minutes"


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a retry is welcome; None if the header is missing or a date, which is rare."""
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
