"""Copies an index from one store to another, with its vectors, so that nothing is embedded again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge.stores import open_store
from bot.knowledge.stores.store import NO_EMBEDDING, batched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from llama_index.core.schema import TextNode

    from bot.knowledge.stores.store import Counts, Store


def copy_index(
    source: Path | str, target: Path | str, *, force: bool = False, on_progress: Callable[[int, int], None]
) -> Counts:
    """Copy what is searchable at ``source``, and every vector kept there, to ``target``; return the counts.

    The target's old state serves until the copy is complete. ``on_progress`` gets the items copied and their total.

    Raises:
        IngestionRefused: the target holds documents (``force`` replaces them), or one of the two is being written.
        StoreUnusable: one of the two cannot be used, or does not hold afterwards what it should.
    """
    if source == target:
        raise IngestionRefused("Both places are the same index; name another one with --to.")
    if isinstance(source, Path) and not source.is_file():
        raise StoreUnusable(f"There is no index at {source}; run reindex first.")
    with closing(open_store(source, NO_EMBEDDING)) as asked:
        model = asked.generation().model
    with (
        closing(open_store(source, model)) as old,
        closing(open_store(target, model)) as new,
        old.ingestion_lock(),
        new.ingestion_lock(),
    ):
        if new.manifest() and not force:
            raise IngestionRefused("There is an index at that place already; --force replaces it.")
        return _copy_contents(old, new, on_progress)


def _copy_contents(old: Store, new: Store, on_progress: Callable[[int, int], None]) -> Counts:
    counts, documents, done = old.counts(), old.manifest(), 0
    total = counts.nodes + counts.embedded

    def report_nodes(nodes: Iterable[TextNode]) -> Iterator[TextNode]:
        for each, node in enumerate(nodes, start=1):
            yield node
            on_progress(min(done + each, total), total)

    for batch in batched(old.vectors()):
        new.save_vectors({passage: vector.tolist() for passage, vector in batch})
        done += len(batch)
        on_progress(min(done, total), total)
    new.replace(documents, report_nodes(old.nodes()), removed=list(new.manifest()))
    for batch in batched(old.vectors()):  # those that no passage needs as yet: an interrupted run has paid for them
        missing = new.missing_vectors([passage for passage, _ in batch])
        new.save_vectors({passage: vector.tolist() for passage, vector in batch if passage in missing})
    if (new.counts(), new.manifest()) != (counts, documents):
        raise StoreUnusable("The copy is not complete; the old index is untouched. Try again with --force.")
    return counts
