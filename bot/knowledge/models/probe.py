"""Probes a model with one token, and says which host answered."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from llama_index.core.base.llms.types import ChatMessage

from bot.errors import ModelResponseEmpty, ModelUnreachable, SettingsInvalid
from bot.knowledge.models.local import load_local_embedding
from bot.knowledge.models.model_errors import MODEL_ERRORS, map_model_error
from bot.knowledge.models.openai import build_embedding_model, build_language_model
from bot.knowledge.splitting.splitter import count_tokens

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    import httpx

    from bot.errors import DocentError
    from bot.knowledge.models.local import LocalEmbeddingChoice
    from bot.knowledge.models.openai import EmbeddingChoice, LanguageModelChoice, RemoteEmbedding, StreamingModel

_PROBE_TEXT: Final = "Hello"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The outcome of a probe.

    Attributes:
        host: The host that answered, "" if none did.
        fault: What was wrong, None if nothing was.
    """

    host: str
    fault: DocentError | None = None


async def probe_llm(choice: LanguageModelChoice, timeout_seconds: float) -> ProbeResult:
    """Have the language model write one token, through the client that answers are written with.

    A reasoning model may reason as long as for an answer; it is cancelled at its first delta.

    Args:
        choice: The model; a fallback is not asked.
        timeout_seconds: Seconds until it counts as unreachable.
    """
    try:
        model = await asyncio.to_thread(build_language_model, replace(choice, answer_tokens=1, fallback=None))
    except SettingsInvalid as error:
        return ProbeResult("", error)
    hosts = _record_hosts(model)
    try:
        return await _run_probe(_has_output(model), hosts, timeout_seconds, "LLM_MODEL")
    finally:
        await model.aclose()


@dataclass(frozen=True, slots=True)
class PromptMeasurement:
    """How much of a long prompt a server has read.

    Attributes:
        sent: The prompt's tokens as counted here.
        read: The prompt's tokens as the server reports them, None if it does not.
        fault: What was wrong, None if nothing was.
    """

    sent: int
    read: int | None = None
    fault: DocentError | None = None


async def measure_prompt(choice: LanguageModelChoice, tokens: int, timeout_seconds: float) -> PromptMeasurement:
    """Send a prompt of about this many tokens and return how many the server says it has read."""
    text = await asyncio.to_thread(_build_long_text, tokens)
    sent = await asyncio.to_thread(count_tokens, text)
    model = await asyncio.to_thread(build_language_model, replace(choice, answer_tokens=1, fallback=None))
    try:
        async with asyncio.timeout(timeout_seconds):
            async with aclosing(await model.astream_chat([ChatMessage(text)])) as responses:
                async for _ in responses:
                    pass
    except TimeoutError:
        fault = ModelUnreachable(f"The model's server gave no answer within {timeout_seconds:.0f} seconds.")
        return PromptMeasurement(sent, fault=fault)
    except MODEL_ERRORS as error:
        return PromptMeasurement(sent, fault=map_model_error(error, setting="LLM_MODEL"))
    finally:
        await model.aclose()
    return PromptMeasurement(sent, model.usage_counter.reported_prompt_tokens)


def _build_long_text(tokens: int) -> str:
    """Return plain English of about this many tokens; its beginning is random, so that no server has it cached."""
    lines = [f"Reply with one word. {secrets.token_hex(8)}"]
    length = count_tokens(lines[0])
    for number in range(1, tokens):
        line = f"Line {number}: the harbour office opens at nine and closes when the last boat has left the pier."
        length += count_tokens(line) + 1
        if length > tokens:
            break
        lines.append(line)
    return "\n".join(lines)


async def probe_embedding(choice: EmbeddingChoice, timeout_seconds: float) -> ProbeResult:
    """Have the embedding model embed one word, through the client that questions are embedded with."""
    try:
        model = await asyncio.to_thread(build_embedding_model, choice)
    except SettingsInvalid as error:
        return ProbeResult("", error)
    hosts = _record_hosts(model)
    try:
        return await _run_probe(_has_vector(model), hosts, timeout_seconds, "EMBED_MODEL")
    finally:
        await model.aclose()


async def probe_local_embedding(choice: LocalEmbeddingChoice) -> int | None:
    """Return the dimension of the local model's vectors, None if it is not installed.

    Raises:
        SettingsInvalid: its files are not the expected ones.
        ImportError: its runtime is not usable.
        OSError: its weights are not.
        SettingsInvalid: the chosen folder does not hold a model that runs here.
    """
    model = await asyncio.to_thread(load_local_embedding, choice)
    return None if model is None else len(await model.aget_query_embedding(_PROBE_TEXT))


def _record_hosts(model: StreamingModel | RemoteEmbedding) -> list[str]:
    """Return a list that gets the hosts that answer the model's client, in order."""
    hosts: list[str] = []

    async def record_host(response: httpx.Response) -> None:
        hosts.append(response.url.netloc.decode())

    client = model._get_aclient()._client  # noqa: SLF001  # what sends the requests; neither library hands it out
    client.event_hooks["response"].append(record_host)
    return hosts


async def _run_probe(
    work: Coroutine[Any, Any, bool], hosts: list[str], timeout_seconds: float, setting: str
) -> ProbeResult:
    fault: DocentError | None = None
    try:
        async with asyncio.timeout(timeout_seconds):
            if not await work:
                fault = ModelResponseEmpty("The model wrote nothing.")
    except TimeoutError:
        fault = ModelUnreachable(f"The model's server gave no answer within {timeout_seconds:.0f} seconds.")
    except MODEL_ERRORS as error:
        fault = map_model_error(error, setting=setting)
    return ProbeResult(hosts[-1] if hosts else "", fault)


async def _has_output(model: StreamingModel) -> bool:
    """Whether the model writes or reasons anything; no more of it is read."""
    async with aclosing(await model.astream_chat([ChatMessage(_PROBE_TEXT)])) as responses:
        async for response in responses:
            if response.delta or response.additional_kwargs.get("thinking_delta"):
                return True
    return False


async def _has_vector(model: RemoteEmbedding) -> bool:
    return bool(await model.aget_query_embedding(_PROBE_TEXT))
