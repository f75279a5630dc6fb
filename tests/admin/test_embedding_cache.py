"""A text is embedded once, as long as it is among the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.admin.embedding_cache import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeEmbedder:
    """Embeds a text as its length, and remembers what it was given; gives nothing once it has ``failed``."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.has_failed = False

    async def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]] | None:
        self.calls.append(list(texts))
        return None if self.has_failed else [[float(len(text)), 0.5] for text in texts]


async def test_embedding_cache_embeds_only_new_texts_and_keeps_their_order() -> None:
    embedded = FakeEmbedder()
    vectors = EmbeddingCache(embedded)
    await vectors.embed(["a", "bb"])
    found = await vectors.embed(["bb", "ccc", "a", "ccc"])
    assert found is not None
    assert [list(vector) for vector in found] == [[2, 0.5], [3, 0.5], [1, 0.5], [3, 0.5]]
    await vectors.embed(["ccc", "a"])
    assert embedded.calls == [["a", "bb"], ["ccc"]]


async def test_embedding_cache_evicts_the_least_recently_used() -> None:
    embedded = FakeEmbedder()
    vectors = EmbeddingCache(embedded, max_texts=2)
    assert len(await vectors.embed(["a", "bb", "ccc"]) or ()) == 3
    await vectors.embed(["bb"])
    await vectors.embed(["dddd"])
    await vectors.embed(["bb", "dddd"])
    assert embedded.calls == [["a", "bb", "ccc"], ["dddd"]]
    await vectors.embed(["ccc"])
    assert embedded.calls[-1] == ["ccc"]


async def test_failed_embedding_gives_no_vectors_and_is_retried() -> None:
    embedded = FakeEmbedder()
    vectors = EmbeddingCache(embedded)
    embedded.has_failed = True
    assert await vectors.embed(["a", "bb"]) is None
    embedded.has_failed = False
    assert await vectors.embed(["a", "bb"]) is not None
