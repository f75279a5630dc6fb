"""A text is embedded once, as long as it is among the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.admin.embedding_cache import Vectors

if TYPE_CHECKING:
    from collections.abc import Sequence


class Embedded:
    """Embeds a text as its length, and remembers what it was given; gives nothing once it has ``failed``."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []
        self.has_failed = False

    async def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]] | None:
        self.given.append(list(texts))
        return None if self.has_failed else [[float(len(text)), 0.5] for text in texts]


async def test_only_what_is_new_is_embedded_and_the_vectors_come_in_the_texts_order() -> None:
    embedded = Embedded()
    vectors = Vectors(embedded)
    await vectors.of(["a", "bb"])
    found = await vectors.of(["bb", "ccc", "a", "ccc"])
    assert found is not None
    assert [list(vector) for vector in found] == [[2, 0.5], [3, 0.5], [1, 0.5], [3, 0.5]]
    await vectors.of(["ccc", "a"])
    assert embedded.given == [["a", "bb"], ["ccc"]]


async def test_what_was_looked_at_longest_ago_is_forgotten_first_and_more_than_are_kept_can_be_had() -> None:
    embedded = Embedded()
    vectors = Vectors(embedded, most=2)
    assert len(await vectors.of(["a", "bb", "ccc"]) or ()) == 3
    await vectors.of(["bb"])
    await vectors.of(["dddd"])
    await vectors.of(["bb", "dddd"])
    assert embedded.given == [["a", "bb", "ccc"], ["dddd"]]
    await vectors.of(["ccc"])
    assert embedded.given[-1] == ["ccc"]


async def test_where_nothing_can_be_embedded_there_are_no_vectors_and_it_is_tried_again() -> None:
    embedded = Embedded()
    vectors = Vectors(embedded)
    embedded.has_failed = True
    assert await vectors.of(["a", "bb"]) is None
    embedded.has_failed = False
    assert await vectors.of(["a", "bb"]) is not None
