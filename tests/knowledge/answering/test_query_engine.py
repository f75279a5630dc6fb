from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent  # noqa: TC002 # pydantic looks it up
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index_instrumentation import root_dispatcher
from pydantic import Field

from bot.domain import Question, Turn
from bot.knowledge import KnowledgeBase, LanguageModelChoice
from bot.knowledge.knowledge_base import KnowledgeBase as Base
from bot.knowledge.models.openai import build_language_model
from bot.knowledge.stores import open_store
from tests.fakes.openai_server import OpenAIServer, make_completion

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from llama_index.core.schema import NodeWithScore, QueryBundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "kettle.md").write_text("# Tea\n\n## Kettle\n\nThe kettle is red and stands in the kitchen.\n")
    (folder / "lamp.md").write_text("# Lamps\n\nThe lamp of the kitchen is red.\n")
    return folder


class Events(BaseEventHandler):
    """Keeps every event."""

    seen: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.seen.append(event)


class Spans(BaseSpanHandler[SimpleSpan]):
    """Keeps the parent of every span."""

    parents: dict[str, str | None] = Field(default_factory=dict)

    def new_span(self, id_: str, *_: Any, parent_span_id: str | None = None, **__: Any) -> SimpleSpan:
        self.parents[id_] = parent_span_id
        return SimpleSpan(id_=id_, parent_id=parent_span_id)

    def prepare_to_exit_span(self, id_: str, *_: Any, **__: Any) -> None:
        pass

    def prepare_to_drop_span(self, id_: str, *_: Any, **__: Any) -> None:
        pass

    def find_root(self, id_: str | None) -> str:
        while id_ is not None and self.parents.get(id_) is not None:
            id_ = self.parents[id_]
        return str(id_)


@contextmanager
def instrumented() -> Generator[tuple[Events, Spans]]:
    events, spans = Events(), Spans()
    before = list(root_dispatcher.event_handlers), list(root_dispatcher.span_handlers)
    root_dispatcher.add_event_handler(events)
    root_dispatcher.add_span_handler(spans)
    yield events, spans
    root_dispatcher.event_handlers, root_dispatcher.span_handlers = before


async def test_a_question_is_one_trace_with_query_events(root: Path) -> None:
    async with OpenAIServer(
        lambda request: make_completion("Where is the kettle?" if "now asks" in request.prompt else "Kitchen [1].")
    ) as server:
        base = await asyncio.to_thread(
            KnowledgeBase.open, root, root.parent / "state", LanguageModelChoice("fake", server.url), None
        )
        await base.reindex()
        before = (Turn("Ada", "Which colour has the kettle?"), Turn("Docent", "Red.", is_answer=True))
        with instrumented() as (events, spans):
            answer = await base.answer(Question("And where is it?", "1", conversation=before))
            assert "".join([delta async for delta in answer.deltas()]) == "Kitchen [1]."
        await base.close()
    names = [event.class_name() for event in events.seen]
    assert len(server.chat_requests) == 2
    roots = {spans.find_root(span) for span in spans.parents}
    assert len(roots) == 1
    assert roots.pop().startswith("GroundedQueryEngine.aquery")
    assert [names.count(name) for name in ("QueryStartEvent", "RetrievalStartEvent", "SynthesizeStartEvent")] == [1] * 3
    assert names.count("LLMChatEndEvent") == 2
    assert {spans.find_root(event.span_id) for event in events.seen} == {spans.find_root(next(iter(spans.parents)))}


class Reversed(BaseNodePostprocessor):
    """A reranker that has its own mind."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        return nodes[::-1]


async def test_a_reranker_of_llama_index_orders_the_passages(root: Path) -> None:
    async with OpenAIServer(make_completion("Yes.")) as server:
        sources: list[list[str]] = []
        for rerankers in ([], [Reversed()]):
            llm = await asyncio.to_thread(build_language_model, LanguageModelChoice("fake", server.url))
            store = await asyncio.to_thread(open_store, root.parent / "index.sqlite", "none")
            base = Base(root=root, store=store, llm=llm, embedding=None, window=8_192, rerankers=rerankers)
            await base.reindex()
            answer = await base.answer(Question("Where is the red kettle of the kitchen?", "1"))
            sources.append([source.document for source in answer.sources])
            await base.close()
    assert sources[0] == sources[1][::-1] == ["kettle.md", "lamp.md"]
