"""One word to embed, one token to write: what proves that a model works, and which host it was that answered."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from llama_index.core.base.llms.types import ChatMessage

from bot.errors import ModelResponseEmpty, ModelUnreachable, SettingsInvalid
from bot.knowledge.models.local import load_local_embedding
from bot.knowledge.models.openai import MODEL_ERRORS, build_embedding_model, build_language_model, map_model_error

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    import httpx

    from bot.errors import DocentError
    from bot.knowledge.models.openai import EmbeddingChoice, LanguageModelChoice, RemoteEmbedding, StreamingModel

_PROBE_TEXT: Final = "Hello"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The host that answered, "" if none did, and what was wrong, None if nothing was.

    A host that only sent the request on to another did not answer it.
    """

    host: str
    fault: DocentError | None = None


async def probe_llm(choice: LanguageModelChoice, timeout_seconds: float) -> ProbeResult:
    """Let the model that writes write one token, through the very client that answers are written with.

    A model that thinks first may think as long as for an answer; at its first sign of life it is let go.
    ``timeout`` is in seconds.
    """
    try:
        model = await asyncio.to_thread(build_language_model, replace(choice, answer_tokens=1))
    except SettingsInvalid as error:
        return ProbeResult("", error)
    hosts = _record_hosts(model)
    try:
        return await _run_probe(_has_output(model), hosts, timeout_seconds)
    finally:
        await model.aclose()


async def probe_embedding(choice: EmbeddingChoice, timeout_seconds: float) -> ProbeResult:
    """Let the model that embeds embed one word, through the very client that questions are embedded with."""
    try:
        model = await asyncio.to_thread(build_embedding_model, choice)
    except SettingsInvalid as error:
        return ProbeResult("", error)
    hosts = _record_hosts(model)
    try:
        return await _run_probe(_has_vector(model), hosts, timeout_seconds)
    finally:
        await model.aclose()


async def probe_local_embedding() -> int | None:
    """Let the local model embed one word: how many numbers came out, None where it is not installed.

    Raises:
        ImportError: what it runs on is not usable.
        OSError: its weights are not.
    """
    model = await asyncio.to_thread(load_local_embedding)
    return None if model is None else len(await model.aget_query_embedding(_PROBE_TEXT))


def _record_hosts(model: StreamingModel | RemoteEmbedding) -> list[str]:
    """The hosts that will answer the model's client, in order."""
    hosts: list[str] = []

    async def record_host(response: httpx.Response) -> None:
        if not response.has_redirect_location:
            hosts.append(response.url.netloc.decode())

    client = model._get_aclient()._client  # noqa: SLF001  # what sends the requests; neither library hands it out
    client.event_hooks["response"].append(record_host)
    return hosts


async def _run_probe(work: Coroutine[Any, Any, bool], hosts: list[str], timeout_seconds: float) -> ProbeResult:
    fault: DocentError | None = None
    try:
        async with asyncio.timeout(timeout_seconds):
            if not await work:
                fault = ModelResponseEmpty("The model answered without a word.")
    except TimeoutError:
        fault = ModelUnreachable(f"The model's server gave no answer within {timeout_seconds:.0f} seconds.")
    except MODEL_ERRORS as error:
        fault = map_model_error(error)
    return ProbeResult(hosts[-1] if hosts else "", fault)


async def _has_output(model: StreamingModel) -> bool:
    """Whether the model says or thinks anything; no more of it is read."""
    async with aclosing(await model.astream_chat([ChatMessage(_PROBE_TEXT)])) as responses:
        async for response in responses:
            if response.delta or response.additional_kwargs.get("thinking_delta"):
                return True
    return False


async def _has_vector(model: RemoteEmbedding) -> bool:
    return bool(await model.aget_query_embedding(_PROBE_TEXT))
