"""One word to embed, one token to write: what proves that a model works, and which host it was that answered."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from llama_index.core.base.llms.types import ChatMessage

from bot.errors import ModelResponseEmpty, ModelUnreachable, SettingsInvalid
from bot.knowledge.models.local import local_embedding
from bot.knowledge.models.openai import MODEL_FAULTS, embedding_model, language_model, named_fault

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    import httpx

    from bot.errors import DocentError
    from bot.knowledge.models.openai import EmbeddingChoice, LanguageModelChoice, RemoteEmbedding, StreamingModel

_WORD: Final = "Hello"


@dataclass(frozen=True, slots=True)
class Proof:
    """The host that answered, "" if none did, and what was wrong, None if nothing was.

    A host that only sent the request on to another did not answer it.
    """

    host: str
    fault: DocentError | None = None


async def written(choice: LanguageModelChoice, patience: float) -> Proof:
    """Let the model that writes write one token, through the very client that answers are written with.

    A model that thinks first may think as long as for an answer; at its first sign of life it is let go.
    ``patience`` is in seconds.
    """
    try:
        model = await asyncio.to_thread(language_model, replace(choice, answer_tokens=1))
    except SettingsInvalid as error:
        return Proof("", error)
    hosts = _noted(model)
    try:
        return await _proved(_first_words(model), hosts, patience)
    finally:
        await model.aclose()


async def embedded(choice: EmbeddingChoice, patience: float) -> Proof:
    """Let the model that embeds embed one word, through the very client that questions are embedded with."""
    try:
        model = await asyncio.to_thread(embedding_model, choice)
    except SettingsInvalid as error:
        return Proof("", error)
    hosts = _noted(model)
    try:
        return await _proved(_vector(model), hosts, patience)
    finally:
        await model.aclose()


async def embedded_here() -> int | None:
    """Let the local model embed one word: how many numbers came out, None where it is not installed.

    Raises:
        ImportError: what it runs on is not usable.
        OSError: its weights are not.
    """
    model = await asyncio.to_thread(local_embedding)
    return None if model is None else len(await model.aget_query_embedding(_WORD))


def _noted(model: StreamingModel | RemoteEmbedding) -> list[str]:
    """The hosts that will answer the model's client, in order."""
    hosts: list[str] = []

    async def note(response: httpx.Response) -> None:
        if not response.has_redirect_location:
            hosts.append(response.url.netloc.decode())

    client = model._get_aclient()._client  # noqa: SLF001  # what sends the requests; neither library hands it out
    client.event_hooks["response"].append(note)
    return hosts


async def _proved(work: Coroutine[Any, Any, bool], hosts: list[str], patience: float) -> Proof:
    fault: DocentError | None = None
    try:
        async with asyncio.timeout(patience):
            if not await work:
                fault = ModelResponseEmpty("The model answered without a word.")
    except TimeoutError:
        fault = ModelUnreachable(f"The model's server gave no answer within {patience:.0f} seconds.")
    except MODEL_FAULTS as error:
        fault = named_fault(error)
    return Proof(hosts[-1] if hosts else "", fault)


async def _first_words(model: StreamingModel) -> bool:
    """Whether the model says or thinks anything; no more of it is read."""
    async with aclosing(await model.astream_chat([ChatMessage(_WORD)])) as responses:
        async for response in responses:
            if response.delta or response.additional_kwargs.get("thinking_delta"):
                return True
    return False


async def _vector(model: RemoteEmbedding) -> bool:
    return bool(await model.aget_query_embedding(_WORD))
