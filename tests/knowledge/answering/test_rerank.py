from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from llama_index.core.schema import NodeWithScore, QueryBundle
from pydantic import SecretStr

from bot.knowledge.answering.rerank import RERANKED, RemoteReranker, RerankChoice, parse_scores
from tests.fakes.passages import make_node

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_hits(*texts: str) -> list[NodeWithScore]:
    return [NodeWithScore(node=make_node(text), score=1.0) for text in texts]


@asynccontextmanager
async def rerank_server(handler: Handler) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_post("/rerank", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/rerank"
    await runner.cleanup()


async def rerank(url: str, hits: list[NodeWithScore]) -> list[str]:
    reranker = RemoteReranker(RerankChoice(url, "judge", SecretStr("k")))
    ordered = await reranker.apostprocess_nodes(hits, query_bundle=QueryBundle("Where is the kettle?"))
    await reranker.aclose()
    return [hit.node.get_content() for hit in ordered]


async def test_passages_are_ordered_by_the_servers_scores() -> None:
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((await request.json(), request.headers["Authorization"]))
        return web.json_response(
            {"results": [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9}]}
        )

    async with rerank_server(handle) as url:
        assert await rerank(url, make_hits("lamp", "kettle")) == ["kettle", "lamp"]
    ((body, key),) = seen
    assert (body["query"], body["model"], key) == ("Where is the kettle?", "judge", "Bearer k")
    assert body["documents"] == ["T\n\nlamp", "T\n\nkettle"]


async def test_server_that_names_the_texts_otherwise_is_asked_in_its_form() -> None:
    async def handle(request: web.Request) -> web.Response:
        if "texts" not in await request.json():
            return web.json_response({"error": "missing field `texts`"}, status=422)
        return web.json_response([{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}])

    async with rerank_server(handle) as url:
        assert await rerank(url, make_hits("lamp", "kettle")) == ["kettle", "lamp"]


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_order_stays_where_the_server_fails(status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text="no", status=status)

    async with rerank_server(handle) as url:
        assert await rerank(url, make_hits("lamp", "kettle")) == ["lamp", "kettle"]
    assert "reranking failed" in caplog.text
    assert "kettle" not in caplog.text


async def test_passages_behind_the_best_keep_their_place() -> None:
    async def handle(request: web.Request) -> web.Response:
        count = len((await request.json())["documents"])
        return web.json_response({"results": [{"index": n, "relevance_score": n} for n in range(count)]})

    texts = [f"text {number}" for number in range(RERANKED + 2)]
    async with rerank_server(handle) as url:
        assert await rerank(url, make_hits(*texts)) == [*texts[:RERANKED][::-1], *texts[RERANKED:]]


@pytest.mark.parametrize("answer", [None, {}, [], {"results": [{"index": 5, "score": 1}]}, [1], {"results": [{}]}])
def test_answer_of_another_form_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="scores"):
        parse_scores(answer, 2)


def test_text_without_a_score_comes_last() -> None:
    assert parse_scores([{"index": 1, "score": -4}], 2)[0] < -4
