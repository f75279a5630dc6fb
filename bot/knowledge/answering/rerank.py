"""Reorders passages with a rerank server, through the common ``/rerank`` request."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import httpx
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore

from bot.domain.proxies import NO_PROXIES, Proxies
from bot.knowledge.answering.passages import get_text_node
from bot.knowledge.splitting.splitter import get_searchable_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.schema import QueryBundle
    from pydantic import SecretStr

RERANKED: Final = 32
"""Passages that are sent; those behind them keep their order."""

TIMEOUT: Final = 5.0
"""Seconds that a reranker may take; after them the retriever's order is kept."""

_OTHER_FORM: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RerankChoice:
    """A rerank server: Cohere, Jina, vLLM, llama.cpp, Text Embeddings Inference.

    Attributes:
        url: The address of the request itself, such as ``https://api.jina.ai/v1/rerank``.
        model: The model's name; "" where the server has only one.
        api_key: The key; None where the server asks for none.
        proxies: The HTTP proxies, one of which may carry the requests.
    """

    url: str
    model: str = ""
    api_key: SecretStr | None = None
    proxies: Proxies = NO_PROXIES


class RemoteReranker(BaseNodePostprocessor):
    """Reorders the best passages by a rerank server's scores; where it fails, their order stays as it was."""

    _choice: RerankChoice = PrivateAttr()
    _client: httpx.AsyncClient = PrivateAttr()

    def __init__(self, choice: RerankChoice) -> None:
        super().__init__()
        self._choice = choice
        key = choice.api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT, headers=headers, trust_env=False, proxy=choice.proxies.find(choice.url)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        raise NotImplementedError("passages are reranked with apostprocess_nodes")

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if len(nodes) < 2 or query_bundle is None:  # noqa: PLR2004 # one passage has no order
            return nodes
        sent, rest = nodes[:RERANKED], nodes[RERANKED:]
        texts = [get_searchable_text(get_text_node(hit)) for hit in sent]
        try:
            async with asyncio.timeout(TIMEOUT):
                scores = parse_scores(await self.request_scores(query_bundle.embedding_strs[0], texts), len(texts))
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            # The message of such an error may quote the address with its key: its kind is enough.
            _log.warning("reranking failed (%s): the retriever's order is kept", type(error).__name__)
            return nodes
        order = sorted(range(len(sent)), key=lambda place: -scores[place])
        return [*(NodeWithScore(node=sent[place].node, score=scores[place]) for place in order), *rest]

    async def request_scores(self, question: str, texts: Sequence[str]) -> Any:
        """Return the response to a request with ``documents``; if that is refused, with ``texts`` as TEI names them."""
        body: dict[str, Any] = {"query": question, "documents": list(texts), "top_n": len(texts)}
        if self._choice.model:
            body["model"] = self._choice.model
        response = await self._client.post(self._choice.url, json=body)
        if response.status_code in _OTHER_FORM:
            response = await self._client.post(self._choice.url, json={"query": question, "texts": list(texts)})
        response.raise_for_status()
        return response.json()


async def probe_reranker(choice: RerankChoice) -> str:
    """Have the server order two sentences; return what failed, without the address, or "" if it worked."""
    reranker = RemoteReranker(choice)
    try:
        async with asyncio.timeout(TIMEOUT):
            scores = parse_scores(await reranker.request_scores("What is red?", ["The kettle is red.", "It rains."]), 2)
    except TimeoutError:
        return f"timeout, no scores within {TIMEOUT:.0f} s"
    except httpx.HTTPStatusError as error:
        return f"status {error.response.status_code}"
    except (httpx.HTTPError, ValueError) as error:
        return f"{error}" if isinstance(error, ValueError) else type(error).__name__
    finally:
        await reranker.aclose()
    return "" if all(map(math.isfinite, scores)) else "a text has no score"


def parse_scores(answer: Any, count: int) -> list[float]:
    """Return the score of each text in the order they were sent; one without a score comes last.

    Raises:
        ValueError: the answer holds no scores, or places that were not sent.
    """
    listed = answer.get("results") or answer.get("data") if isinstance(answer, dict) else answer
    if not isinstance(listed, list) or not listed:
        raise ValueError("no scores")
    scores = [-math.inf] * count
    for entry in listed:
        fields: dict[str, Any] = entry if isinstance(entry, dict) else {}
        place, score = fields.get("index"), fields.get("relevance_score", fields.get("score"))
        if not isinstance(place, int) or not 0 <= place < count or not isinstance(score, int | float):
            raise ValueError("scores of an unknown form")
        scores[place] = float(score)
    return scores
