"""What a run changes, what it costs, and what survives when it fails."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from bot.domain import Progress
from bot.errors import AnswerUnavailable, IngestionRefused, ModelUnreachable
from bot.knowledge.ingestion.embedding_requests import RetryPolicy
from bot.knowledge.ingestion.ingestion import Ingestion
from bot.knowledge.ingestion.plan import Plan
from bot.knowledge.ingestion.spool import Spool
from bot.knowledge.ingestion.worker import Limits
from bot.knowledge.stores.sqlite import NO_EMBEDDING, Counts, SqliteStore
from tests.fakes.passages import search_by_keywords, search_by_vector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from llama_index.core.schema import TextNode

ALL_COLLECTIONS = frozenset({"", "legal"})
NO_RETRY = RetryPolicy(deadline=0)


class HashEmbedding:
    """A fake embedding model: the vector of a text is made of its letters; it counts what it is paid for."""

    def __init__(self, dimension: int = 4) -> None:
        self.dimension = dimension
        self.batches: list[list[str]] = []
        self.fails_at_batch: int | None = None

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        if self.fails_at_batch == len(self.batches):
            raise ModelUnreachable("The embedding model cannot be reached.")
        self.batches.append(list(texts))
        return [[byte + 1.0 for byte in hashlib.sha256(text.encode()).digest()[: self.dimension]] for text in texts]

    @property
    def embedded_texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


class IngestionSetup:
    """A documents' folder, an index beside it, and a model."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "documents"
        self.root.mkdir()
        self.path = tmp_path / "state" / "index.sqlite"
        self.embed = HashEmbedding()

    def write_files(self, **files: str) -> None:
        for stem, text in files.items():
            (self.root / f"{stem}.md").write_text(text)

    def open_store(self, name: str = "hash") -> SqliteStore:
        return SqliteStore(self.path, name)

    def create_ingestion(
        self,
        name: str = "hash",
        *,
        batch: int = 64,
        in_flight: int = 1,
        retry_policy: RetryPolicy = NO_RETRY,
        tokens: int | None = None,
        limits: Limits | None = None,
    ) -> Ingestion:
        embed = None if name == NO_EMBEDDING else self.embed
        return Ingestion(
            self.root,
            self.open_store(name),
            embed,
            name,
            batch=batch,
            in_flight=in_flight,
            spool=self.path.with_name("reading.sqlite"),
            retry_policy=retry_policy,
            tokens_limit=tokens,
            limits=limits,
        )

    async def find_texts(self, text: str) -> set[str]:
        hits = await search_by_keywords(self.open_store(), text, ALL_COLLECTIONS, top_k=100)
        return {hit.node.get_content() for hit in hits}


@pytest.fixture
def place(tmp_path: Path) -> IngestionSetup:
    return IngestionSetup(tmp_path)


async def test_files_in_the_folder_become_searchable(place: IngestionSetup) -> None:
    place.write_files(refunds="# Refunds\n\n## Deadline\n\nThirty days.", leave="Ask Ada about leave.")
    (place.root / "@legal").mkdir()
    (place.root / "@legal" / "terms.txt").write_text("The terms of refunds.")
    report = place.create_ingestion().run()
    assert report.new == ["@legal/terms.txt", "leave.md", "refunds.md"]
    assert (report.nodes, report.embedded, report.failed, report.is_dry_run) == (3, 3, {}, False)
    assert await place.find_texts("refunds") == {"Thirty days.", "The terms of refunds."}
    store = place.open_store()
    (hit,) = await search_by_vector(
        store, place.embed(["Refunds\nDeadline\n\nThirty days."])[0], frozenset({""}), top_k=1
    )
    assert hit.node.get_content() == "Thirty days."
    assert hit.score == pytest.approx(1.0)


def test_unchanged_files_cost_nothing(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    place.create_ingestion().run()
    paid = len(place.embed.embedded_texts)
    os.utime(place.root / "a.md", (0, 0))
    report = place.create_ingestion().run()
    assert (report.unchanged, report.new, report.changed, report.removed, report.embedded) == (2, [], [], [], 0)
    assert len(place.embed.embedded_texts) == paid


async def test_new_changed_and_removed_files_are_reflected(place: IngestionSetup) -> None:
    place.write_files(kept="Kept word.", changed="Old word.", gone="Gone word.")
    place.create_ingestion().run()
    place.write_files(changed="New word.", added="Added word.")
    (place.root / "gone.md").unlink()
    report = place.create_ingestion().run()
    assert (report.new, report.changed, report.removed, report.unchanged) == (
        ["added.md"],
        ["changed.md"],
        ["gone.md"],
        1,
    )
    assert await place.find_texts("word") == {"Kept word.", "New word.", "Added word."}


def test_changed_file_embeds_only_its_new_passages(place: IngestionSetup) -> None:
    place.write_files(a="# A\n## One\nFirst.\n## Two\nSecond.")
    place.create_ingestion().run()
    place.write_files(a="# A\n## Zero\nNew.\n## One\nFirst.\n## Two\nSecond.")
    assert place.create_ingestion().run().embedded == 1
    assert place.embed.embedded_texts[-1] == "A\nZero\n\nNew."


async def find_lines(place: IngestionSetup) -> dict[str, int | None]:
    """On which line each passage that holds the word stands, by its text."""
    hits = await search_by_keywords(place.open_store(), "word", ALL_COLLECTIONS, top_k=100)
    return {hit.node.get_content(): hit.node.metadata.get("line") for hit in hits}


async def test_moved_passage_gets_its_new_line_without_an_embedding(place: IngestionSetup) -> None:
    place.write_files(a="# A\n\n## One\n\nFirst word.\n\n## Two\n\nSecond word.")
    place.create_ingestion().run()
    assert await find_lines(place) == {"First word.": 5, "Second word.": 9}
    place.write_files(a="# A\n\n<!-- three\nmore\nlines -->\n\n## One\n\nFirst word.\n\n## Two\n\nSecond word.")
    report = place.create_ingestion().run()
    assert (report.changed, report.embedded) == (["a.md"], 0)
    assert await find_lines(place) == {"First word.": 9, "Second word.": 13}


async def test_index_without_line_numbers_gets_them_without_embeddings(place: IngestionSetup) -> None:
    place.write_files(a="# A\n\nFirst word.", b="Second word.")
    place.create_ingestion().run()
    store = place.open_store()
    nodes = [cast("TextNode", hit.node) for hit in await search_by_keywords(store, "word", ALL_COLLECTIONS, top_k=100)]
    for node in nodes:
        del node.metadata["line"]
    store.replace(dict.fromkeys(store.manifest(), "read another way"), nodes, removed=[])
    assert set((await find_lines(place)).values()) == {None}
    assert place.create_ingestion().run().embedded == 0
    assert await find_lines(place) == {"First word.": 3, "Second word.": 1}


def test_readded_text_is_not_embedded_again(place: IngestionSetup) -> None:
    for text in ("One.", "Two.", "One."):
        place.write_files(a=text, b="Stays.")
        place.create_ingestion().run()
    (place.root / "a.md").unlink()
    place.create_ingestion().run()
    place.write_files(a="Two.")
    assert place.create_ingestion().run().new == ["a.md"]
    assert len(place.embed.embedded_texts) == 3
    assert place.open_store().counts() == Counts(2, 2, 2)


def test_only_the_changed_file_of_hundreds_is_read_and_embedded(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Passage number {n}." for n in range(300)})
    assert len(place.create_ingestion(batch=100).run().new) == 300
    place.write_files(f7="Another passage.")
    requests, seen = len(place.embed.batches), set[str]()
    report = place.create_ingestion().run(on_progress=lambda progress: seen.add(progress.current))
    assert (report.changed, report.unchanged, report.embedded) == (["f7.md"], 299, 1)
    assert seen - {""} == {"f7.md"}
    assert place.embed.batches[requests:] == [["F7\n\nAnother passage."]]


async def test_renamed_file_is_not_embedded_again(place: IngestionSetup) -> None:
    place.write_files(a="# Title\nText.")
    place.create_ingestion().run()
    (place.root / "a.md").rename(place.root / "b.md")
    assert place.create_ingestion().run().embedded == 0
    assert place.open_store().manifest().keys() == {"b.md"}
    assert place.open_store().counts().embedded == 1


def test_moved_file_is_distinguished_from_a_new_one(place: IngestionSetup) -> None:
    place.write_files(a="# Title\nText.", b="Other text.", twin="Same text.")
    place.create_ingestion().run()
    (place.root / "a.md").rename(place.root / "moved.md")
    (place.root / "twin.md").rename(place.root / "twin-1.md")
    place.write_files(**{"twin-2": "Same text."})
    report = place.create_ingestion().run()
    assert report.moved == {"a.md": "moved.md", "twin.md": "twin-1.md"}
    assert (report.new, report.removed) == (["moved.md", "twin-1.md", "twin-2.md"], ["a.md", "twin.md"])


@pytest.mark.parametrize(("before", "after"), [("plan_a.txt", "x/plan_b.txt"), ("steps.py", "walk.py")])
def test_moved_file_titled_by_its_name_is_not_embedded_again(place: IngestionSetup, before: str, after: str) -> None:
    (place.root / before).write_text("def refunds(): return thirty_days")
    place.create_ingestion().run()
    (place.root / after).parent.mkdir(exist_ok=True)
    (place.root / before).rename(place.root / after)
    assert place.create_ingestion().run(dry_run=True).embedded == 0
    assert place.create_ingestion().run().embedded == 0
    counts = place.open_store().counts()
    assert (counts.documents, counts.embedded) == (1, 1)


def test_a_folder_whose_files_were_all_moved_has_lost_nothing(place: IngestionSetup) -> None:
    (place.root / "old").mkdir()
    for n in range(6):
        (place.root / "old" / f"f{n}.md").write_text(f"# Title {n}\nText {n}.")
    place.create_ingestion().run()
    (place.root / "old").rename(place.root / "new")
    assert len(place.create_ingestion().run().moved) == 6
    assert len(place.open_store().manifest()) == 6


def test_equal_passages_are_embedded_once(place: IngestionSetup) -> None:
    place.write_files(a="# Title\nText.", b="# Title\nText.")
    report = place.create_ingestion().run()
    assert (report.nodes, report.embedded) == (2, 1)
    assert place.open_store().counts().embedded == 2


def test_passages_are_embedded_in_batches(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(10)})
    place.create_ingestion(batch=4).run()
    assert [len(batch) for batch in place.embed.batches] == [4, 4, 2]


def test_concurrent_requests_embed_every_passage_once(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n:02}": f"Text {n}." for n in range(40)})
    assert place.create_ingestion(batch=3, in_flight=3).run().embedded == 40
    assert sorted(place.embed.embedded_texts) == sorted(set(place.embed.embedded_texts))
    assert max(len(batch) for batch in place.embed.batches) == 3
    assert place.open_store().counts().embedded == 40


def test_a_run_that_changes_nothing_makes_no_new_generation(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", bad="")
    place.create_ingestion().run()
    before = place.open_store().generation()
    place.create_ingestion().run()
    assert place.open_store().generation() == before


async def test_one_bad_file_is_named_and_stops_nothing(place: IngestionSetup) -> None:
    place.write_files(good="Good word.", empty="", outline="# Outline")
    (place.root / "cut.pdf").write_bytes(b"%PDF-1.4\n")
    (place.root / "binary.txt").write_bytes(b"\x7fELF" + bytes(50))
    report = place.create_ingestion().run()
    assert report.failed == {
        "binary.txt": "binary content",
        "cut.pdf": "damaged PDF: its end is missing",
        "empty.md": "empty file",
        "outline.md": "no text below its headings",
    }
    assert report.new == ["good.md"]
    assert await place.find_texts("word") == {"Good word."}


@pytest.mark.parametrize("damage", [b"", b"\x7fELF\x00\x00"])
async def test_a_file_that_can_no_longer_be_read_stays_searchable(place: IngestionSetup, damage: bytes) -> None:
    place.write_files(a="Old word.", b="Other word.")
    place.create_ingestion().run()
    (place.root / "a.md").write_bytes(damage)
    report = place.create_ingestion().run()
    assert (list(report.failed), report.changed, report.removed) == (["a.md"], [], [])
    assert await place.find_texts("word") == {"Old word.", "Other word."}
    place.write_files(a="Mended word.")
    assert place.create_ingestion().run().changed == ["a.md"]


def test_a_file_that_cannot_be_read_costs_nothing_until_it_changes(place: IngestionSetup) -> None:
    (place.root / "bad.pdf").write_bytes(b"%PDF-1.4\ncut")
    reasons = [place.create_ingestion().run().failed["bad.pdf"] for _ in range(2)]
    assert reasons == ["damaged PDF: its end is missing"] * 2
    with Spool(place.path.with_name("reading.sqlite")) as spool:
        assert [spooled.fault for spooled in spool.load_files().values()] == reasons[:1]
    (place.root / "bad.pdf").write_bytes(b"no PDF")
    assert place.create_ingestion().run().failed["bad.pdf"] == "its content is not PDF"
    (place.root / "bad.pdf").unlink()
    assert place.create_ingestion().run().failed == {}


async def test_file_replaced_by_a_link_or_pipe_is_reported_and_stays_searchable(
    place: IngestionSetup, tmp_path: Path
) -> None:
    (place.root / "sub").mkdir()
    place.write_files(a="Alpha word.", b="Beta word.", c="Gamma word.", **{"sub/d": "Delta word."})
    assert len(place.create_ingestion().run().new) == 4
    (place.root / "sub").rename(tmp_path / "sub")
    (place.root / "sub").symlink_to(tmp_path / "sub")
    (place.root / "a.md").rename(tmp_path / "a.md")
    (place.root / "a.md").symlink_to(tmp_path / "a.md")
    (place.root / "b.md").unlink()
    (place.root / "b.md").symlink_to("nowhere.md")
    (place.root / "c.md").unlink()
    os.mkfifo(place.root / "c.md")
    report = place.create_ingestion().run()
    assert report.removed == []
    assert report.failed == {
        "a.md": "a link out of the documents' folder",
        "b.md": "a link that leads nowhere",
        "c.md": "not a regular file",
        "sub/": "a link out of the documents' folder",
    }
    assert await place.find_texts("word") == {"Alpha word.", "Beta word.", "Gamma word.", "Delta word."}


def test_a_file_that_takes_its_reader_down_twice_is_left_alone_until_it_changes(place: IngestionSetup) -> None:
    place.write_files(big="Some words about refunds and days.\n\n" * 20_000)
    strict = Limits(seconds=0.05)
    for _ in range(2):
        assert "took longer" in place.create_ingestion(limits=strict).run().failed["big.md"]
    assert "took longer" in place.create_ingestion().run().failed["big.md"]
    place.write_files(big="Some words.")
    assert place.create_ingestion().run().new == ["big.md"]


def test_file_that_crashed_its_reader_once_is_tried_again(place: IngestionSetup) -> None:
    place.write_files(big="Some words about refunds and days.\n\n" * 20_000)
    assert "took longer" in place.create_ingestion(limits=Limits(seconds=0.05)).run().failed["big.md"]
    assert place.create_ingestion().run().new == ["big.md"]


def test_a_dry_run_says_what_the_embedding_takes(place: IngestionSetup) -> None:
    place.write_files(a="# Title\nAlpha beta.", b="# Title\nAlpha beta.")
    name = "text-embedding-3-small"
    report = place.create_ingestion(name).run(dry_run=True)
    assert (report.nodes, report.embedded, report.tokens) == (2, 1, 5)
    assert report.dollars == pytest.approx(5 * 0.02 / 1e6)
    assert place.create_ingestion().run(dry_run=True).dollars is None
    assert place.create_ingestion(NO_EMBEDDING).run(dry_run=True).tokens == 0


async def test_a_dry_run_says_what_would_change_and_changes_nothing(place: IngestionSetup) -> None:
    place.write_files(a="Alpha word.", b="Beta word.")
    place.create_ingestion().run()
    paid = len(place.embed.embedded_texts)
    place.write_files(a="Alpha changed word.", c="Gamma word.", d="")
    (place.root / "b.md").unlink()
    report = place.create_ingestion().run(dry_run=True)
    assert (report.new, report.changed, report.removed) == (["c.md"], ["a.md"], ["b.md"])
    assert (report.failed, report.nodes, report.embedded, report.is_dry_run) == ({"d.md": "empty file"}, 2, 2, True)
    assert len(place.embed.embedded_texts) == paid
    assert await place.find_texts("word") == {"Alpha word.", "Beta word."}


def test_without_a_model_nothing_is_embedded(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    report = place.create_ingestion(NO_EMBEDDING).run()
    assert (report.nodes, report.embedded, place.embed.batches) == (1, 0, [])


def test_another_model_embeds_everything_anew_and_reads_nothing(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    place.create_ingestion("one").run()
    report = place.create_ingestion("two").run()
    assert (report.unchanged, report.embedded) == (2, 2)
    assert place.open_store("two").counts().embedded == 2
    assert place.create_ingestion("two").run().embedded == 0


def test_a_model_that_now_gives_another_dimension_is_refused_unless_the_run_is_full(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    place.create_ingestion().run()
    place.embed.dimension = 6
    place.write_files(c="Gamma.")
    with pytest.raises(IngestionRefused, match="vectors of 6 numbers, and the index holds vectors of 4; nothing was"):
        place.create_ingestion().run()
    assert place.open_store().generation().dimension == 4
    assert place.create_ingestion().run(full=True).embedded == 3
    assert place.open_store().counts().embedded == 3


def test_a_full_run_returns_to_the_vectors_kept_of_an_earlier_dimension(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    place.create_ingestion().run()
    place.embed.dimension = 6
    assert place.create_ingestion().run(full=True).embedded == 2
    assert place.open_store().generation().dimension == 6
    place.embed = HashEmbedding(4)
    assert place.create_ingestion().run(full=True).embedded == 0
    assert (place.open_store().generation().dimension, place.open_store().counts().embedded) == (4, 2)
    assert len(place.embed.embedded_texts) == 1


@pytest.mark.parametrize("dimension", [4, 6])
async def test_the_old_vectors_serve_until_all_of_another_model_are_there(
    place: IngestionSetup, dimension: int
) -> None:
    place.write_files(a="Alpha.", b="Beta.", c="Gamma.")
    place.create_ingestion("one").run()
    (question,) = place.embed(["A\n\nAlpha."])
    place.embed = HashEmbedding(dimension)
    place.embed.fails_at_batch = 2
    with pytest.raises(ModelUnreachable):
        place.create_ingestion("two", batch=1).run()
    old = await search_by_vector(place.open_store("one"), question, ALL_COLLECTIONS, top_k=1)
    assert [hit.node.get_content() for hit in old] == ["Alpha."]
    place.embed.fails_at_batch = None
    assert place.create_ingestion("two", batch=1).run().embedded == 1
    assert place.open_store("two").counts().embedded == 3


def test_adding_a_model_later_embeds_what_is_there(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    place.create_ingestion(NO_EMBEDDING).run()
    assert place.create_ingestion().run().embedded == 1


async def test_run_with_a_failing_model_keeps_the_old_state_and_the_next_embeds_the_rest(place: IngestionSetup) -> None:
    place.write_files(old="Old word.")
    place.create_ingestion().run()
    place.write_files(old="Newer word.", **{f"f{n}": f"File word {n}." for n in range(9)})
    place.embed.fails_at_batch = 3
    with pytest.raises(ModelUnreachable):
        place.create_ingestion(batch=3).run()
    assert await place.find_texts("word") == {"Old word."}
    place.embed.fails_at_batch = None
    report = place.create_ingestion(batch=3).run()
    assert report.embedded == 10 - 6
    assert len(place.embed.embedded_texts) == len(set(place.embed.embedded_texts)) == 11
    assert len(await place.find_texts("word")) == 10


@pytest.mark.parametrize(
    "vectors",
    [[[1.0, 0.0]], [[1.0, 0.0]] * 3, [[0.0, 0.0]] * 2, [[math.nan, 1.0]] * 2, [[1.0], [1.0, 0.0]], []],
    ids=["one too few", "one too many", "zero", "not a number", "two dimensions", "none"],
)
def test_an_unusable_answer_of_the_model_is_not_stored(place: IngestionSetup, vectors: list[list[float]]) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    with pytest.raises(AnswerUnavailable, match="EMBED_MODEL"):
        Ingestion(place.root, place.open_store(), lambda _: vectors, "hash").run()
    assert place.open_store().manifest() == {}
    assert place.open_store().counts().embedded == 0


def test_files_in_an_unreadable_folder_are_not_removed() -> None:
    indexed = {"locked/a.md": "1", "locked/b/c.md": "2", "lockedout.md": "3", "failed.md": "4", "kept.md": "5"}
    plan = Plan({"kept.md": "5"}, indexed, {"locked/": "cannot be opened", "failed.md": "empty file"})
    assert (plan.removed, plan.to_read) == (["lockedout.md"], [])


def test_a_missing_folder_is_refused_and_nothing_is_deleted(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    place.create_ingestion().run()
    (place.root / "a.md").unlink()
    place.root.rmdir()
    for force in (False, True):
        with pytest.raises(IngestionRefused, match="missing"):
            place.create_ingestion().run(force=force)
    assert place.open_store().manifest().keys() == {"a.md"}


def test_a_folder_that_lost_most_of_its_files_is_refused_unless_forced(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(6)})
    place.create_ingestion().run()
    for n in range(4):
        (place.root / f"f{n}.md").unlink()
    with pytest.raises(IngestionRefused, match="4 of 6"):
        place.create_ingestion().run()
    assert len(place.open_store().manifest()) == 6
    assert len(place.create_ingestion().run(dry_run=True).removed) == 4
    assert len(place.create_ingestion().run(force=True).removed) == 4
    assert len(place.open_store().manifest()) == 2


def test_removal_of_half_or_of_a_few_files_is_accepted(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(6)})
    place.create_ingestion().run()
    for n in range(3):
        (place.root / f"f{n}.md").unlink()
    assert len(place.create_ingestion().run().removed) == 3
    for n in range(3, 6):
        (place.root / f"f{n}.md").unlink()
    assert len(place.create_ingestion().run().removed) == 3


def test_a_second_run_meanwhile_is_refused(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    refusals: list[str] = []

    def try_another(_: Progress) -> None:
        with pytest.raises(IngestionRefused) as caught:
            place.create_ingestion().run()
        refusals.append(caught.value.user_message)

    place.create_ingestion().run(on_progress=try_another)
    assert set(refusals) == {"A run is already going on; wait until it has ended."}
    assert place.create_ingestion().run().unchanged == 1


def test_a_run_can_be_stopped_from_another_thread(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(8)})
    ingestion = place.create_ingestion(batch=2)

    def stop_after_two_files(progress: Progress) -> None:
        if progress.files_done >= 3:
            thread = threading.Thread(target=ingestion.stop)
            thread.start()
            thread.join()

    with pytest.raises(IngestionRefused, match="stopped"):
        ingestion.run(on_progress=stop_after_two_files)
    assert place.open_store().manifest() == {}
    paid = len(place.embed.embedded_texts)
    assert 0 < paid < 8
    assert place.create_ingestion().run().embedded == 8 - paid


def test_stop_does_not_wait_for_embedding_retries(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    place.embed.fails_at_batch = 0
    ingestion = place.create_ingestion(retry_policy=RetryPolicy(deadline=3_600, initial_delay=3_600, max_delay=3_600))
    stopping = threading.Timer(0.5, ingestion.stop)
    stopping.start()
    with pytest.raises((IngestionRefused, ModelUnreachable)):
        ingestion.run()
    stopping.join()


@pytest.mark.parametrize("moment", ["planned", "reading", "embedding"])
def test_a_run_that_is_cancelled_leaves_the_old_state_and_the_next_runs_to_its_end(
    place: IngestionSetup, moment: str
) -> None:
    place.write_files(old="Old text.")
    place.create_ingestion().run()
    before = place.open_store().generation()
    place.write_files(old="Newer text.", **{f"f{n}": f"Text {n}." for n in range(8)})
    ingestion, ending = place.create_ingestion(batch=2), threading.Event()
    files = {"planned": 0, "reading": 3, "embedding": 9}[moment]

    def cancel(progress: Progress) -> None:
        if progress.files_done >= files:
            ending.set()

    with pytest.raises(IngestionRefused, match="stopped; the old index still serves"):
        ingestion.run(on_progress=cancel, stop_event=ending)
    assert place.open_store().generation() == before
    paid = len(place.embed.embedded_texts)
    report = ingestion.run()
    assert (len(report.new), report.changed) == (8, ["old.md"])
    assert len(place.embed.embedded_texts) == len(set(place.embed.embedded_texts)) == 1 + 9
    assert report.embedded == 10 - paid


def test_a_run_that_is_cancelled_before_it_began_does_nothing(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    ending = threading.Event()
    ending.set()
    with pytest.raises(IngestionRefused, match="stopped"):
        place.create_ingestion().run(stop_event=ending)
    assert place.embed.embedded_texts == []


def test_cancel_after_the_generation_is_in_place_still_reports_it(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.")
    ending = threading.Event()

    def cancel_once_in_place(_: Progress) -> None:
        if place.open_store().manifest():
            ending.set()

    assert place.create_ingestion().run(on_progress=cancel_once_in_place, stop_event=ending).new == ["a.md"]
    assert ending.is_set()


def test_after_a_stop_there_is_no_later_run(place: IngestionSetup) -> None:
    ingestion = place.create_ingestion()
    ingestion.stop()
    place.write_files(a="Alpha.")
    with pytest.raises(IngestionRefused, match="stopped"):
        ingestion.run()
    assert place.open_store().manifest() == {}


# --- One collection, everything anew, and what a run may cost ---------------------------------------------------------


def add_collections(place: IngestionSetup) -> None:
    """Two collections and a shared document, all searchable."""
    for name in ("legal", "board"):
        (place.root / f"@{name}").mkdir()
        (place.root / f"@{name}" / "a.md").write_text(f"The {name} word.")
    place.write_files(a="Shared word.")
    place.create_ingestion().run()


async def test_a_run_over_one_collection_leaves_the_others_as_they_are(place: IngestionSetup) -> None:
    add_collections(place)
    for folder in ("@legal", "@board", "."):
        (place.root / folder / "a.md").unlink()
        (place.root / folder / "b.md").write_text(f"New word of {folder}.")
    report = place.create_ingestion().run(collection="legal")
    assert (report.new, report.removed, report.unchanged) == (["@legal/b.md"], ["@legal/a.md"], 0)
    assert place.open_store().manifest().keys() == {"@legal/b.md", "@board/a.md", "a.md"}
    report = place.create_ingestion().run(collection="")
    assert (report.new, report.removed) == (["b.md"], ["a.md"])
    assert place.open_store().manifest().keys() == {"@legal/b.md", "@board/a.md", "b.md"}


@pytest.mark.parametrize("name", ["nowhere", "..", "../legal", "legal/../board", "@legal", "a.md", "/", "\x00"])
def test_unknown_collection_is_refused_with_a_message(place: IngestionSetup, name: str) -> None:
    add_collections(place)
    before = place.open_store().generation()
    with pytest.raises(IngestionRefused, match=r"There is no collection .* a folder @NAME"):
        place.create_ingestion().run(collection=name)
    assert place.open_store().generation() == before


def test_a_collection_whose_folder_is_gone_can_still_be_emptied(place: IngestionSetup) -> None:
    add_collections(place)
    (place.root / "@legal" / "a.md").unlink()
    (place.root / "@legal").rmdir()
    assert place.create_ingestion().run(collection="legal").removed == ["@legal/a.md"]
    with pytest.raises(IngestionRefused, match="no collection"):
        place.create_ingestion().run(collection="legal")


def test_a_collection_that_lost_most_of_its_documents_is_refused_unless_forced(place: IngestionSetup) -> None:
    (place.root / "@legal").mkdir()
    for n in range(6):
        (place.root / "@legal" / f"{n}.md").write_text(f"Text {n}.")
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(20)})
    place.create_ingestion().run()
    for n in range(5):
        (place.root / "@legal" / f"{n}.md").unlink()
    with pytest.raises(IngestionRefused, match="5 of 6"):
        place.create_ingestion().run(collection="legal")
    assert len(place.create_ingestion().run(collection="legal", force=True).removed) == 5


def test_spool_of_an_interrupted_run_survives_a_run_over_a_collection(place: IngestionSetup) -> None:
    add_collections(place)
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(6)})
    (place.root / "bad.pdf").write_bytes(b"%PDF-1.4\ncut")
    place.embed.fails_at_batch = len(place.embed.batches) + 2
    with pytest.raises(ModelUnreachable):
        place.create_ingestion(batch=2).run()
    place.embed.fails_at_batch = None
    (place.root / "@legal" / "a.md").write_text("New law.")
    assert place.create_ingestion().run(collection="legal").embedded == 1
    with Spool(place.path.with_name("reading.sqlite")) as spool:
        assert {"f0.md", "f5.md", "bad.pdf"} <= spool.load_files().keys()
        assert spool.load_files()["bad.pdf"].fault == "damaged PDF: its end is missing"
    assert place.create_ingestion().run().embedded == 2
    assert len(place.embed.embedded_texts) == len(set(place.embed.embedded_texts))


def test_full_run_reads_everything_again_and_embeds_nothing_twice(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    place.create_ingestion().run()
    before = place.open_store().generation().number
    with Spool(place.path.with_name("reading.sqlite")) as spool:  # what is read here would show
        digest = place.open_store().manifest()["a.md"]
        spool.put_fault("a.md", digest, "an old fault")
    place.write_files(b="Beta two.", c="Gamma.")
    seen: list[Progress] = []
    report = place.create_ingestion().run(full=True, on_progress=seen.append)
    assert seen[-1].files_total == 3
    assert (report.new, report.changed, report.unchanged, report.failed) == (["c.md"], ["b.md"], 1, {})
    assert report.embedded == 2
    assert place.open_store().generation().number == before + 1
    assert len(place.embed.embedded_texts) == len(set(place.embed.embedded_texts)) == 4


def test_a_full_run_keeps_what_can_no_longer_be_read(place: IngestionSetup) -> None:
    place.write_files(a="Alpha.", b="Beta.")
    place.create_ingestion().run()
    (place.root / "a.md").write_bytes(b"\x7fELF\x00\x00")
    report = place.create_ingestion().run(full=True)
    assert (list(report.failed), report.unchanged) == (["a.md"], 1)
    assert place.open_store().manifest().keys() == {"a.md", "b.md"}


def test_run_over_its_embedding_limit_is_refused_before_the_excess_is_sent(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"# Title {n}\n" + f"word{n} " * 30 for n in range(10)})
    whole = place.create_ingestion("text-embedding-3-small").run(dry_run=True).tokens
    limit = whole // 2
    with pytest.raises(IngestionRefused, match=rf"EMBED_TOKENS_PER_RUN allows {limit:,};") as caught:
        place.create_ingestion(batch=1, in_flight=2, tokens=limit).run()
    sent = len(place.embed.embedded_texts)
    assert 0 < sent <= 5
    wanted = int(str(caught.value.user_message.split("embed ")[1].split(" ")[0]).replace(",", ""))
    assert limit < wanted <= whole
    assert place.open_store().manifest() == {}

    with pytest.raises(IngestionRefused):
        place.create_ingestion(batch=1, tokens=1).run()
    assert len(place.embed.embedded_texts) == sent
    report = place.create_ingestion(batch=1, tokens=whole - limit + whole // 10).run()
    assert report.embedded == 10 - sent
    assert len(place.embed.embedded_texts) == len(set(place.embed.embedded_texts)) == 10


def test_a_run_within_its_limit_and_one_that_embeds_nothing_are_not_refused(place: IngestionSetup) -> None:
    place.write_files(a="Alpha beta gamma.")
    tokens = place.create_ingestion("text-embedding-3-small").run(dry_run=True).tokens
    assert place.create_ingestion(tokens=tokens).run().embedded == 1
    assert place.create_ingestion(tokens=0).run().unchanged == 1
    assert place.create_ingestion(NO_EMBEDDING, tokens=0).run().unchanged == 1


def test_files_read_before_a_failure_are_not_read_again(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(6)})
    place.embed.fails_at_batch = 0
    with pytest.raises(ModelUnreachable):
        place.create_ingestion().run()
    with Spool(place.path.with_name("reading.sqlite")) as spool:
        assert len(spool.load_files()) == 6
        for passage in list(spool.load_passages(["f3.md"])):  # what the next run takes from here shows in the index
            spool.put("f3.md", spool.load_files()["f3.md"].digest, [replace(passage, text="From the spool.")])
    place.embed.fails_at_batch = None
    place.create_ingestion().run()
    hits = asyncio.run(place.find_texts("spool"))
    assert hits == {"From the spool."}
    with Spool(place.path.with_name("reading.sqlite")) as spool:
        assert spool.load_files() == {}


def test_a_file_is_done_when_its_passages_have_their_vectors(place: IngestionSetup) -> None:
    place.write_files(a="Short.", b="\n\n".join(f"# H{n}\n\nPassage {n}." for n in range(6)))
    counts: list[tuple[int, int, int]] = []
    place.create_ingestion(batch=2).run(
        on_progress=lambda state: counts.append((state.files_done, state.nodes_done, len(place.embed.embedded_texts)))
    )
    assert all(nodes <= paid for _, nodes, paid in counts)
    assert all(files <= (paid >= 1) + (paid >= 7) for files, _, paid in counts)
    assert any(files == 1 and 1 < nodes < 7 for files, nodes, _ in counts)
    assert counts[-1] == (2, 7, 7)


def test_progress_counts_up_to_all_files_and_passages(place: IngestionSetup) -> None:
    place.write_files(**{f"f{n}": f"Text {n}." for n in range(5)})
    seen: list[Progress] = []
    place.create_ingestion(batch=2).run(on_progress=seen.append)
    assert {progress.files_total for progress in seen} == {5}
    assert [progress.files_done for progress in seen] == sorted(progress.files_done for progress in seen)
    assert [progress.nodes_done for progress in seen] == sorted(progress.nodes_done for progress in seen)
    assert seen[0] == Progress(0, 5, 0, "f0.md")
    assert seen[-1] == Progress(5, 5, 5, "")


def test_store_and_ingestion_must_use_the_same_model(place: IngestionSetup) -> None:
    with pytest.raises(ValueError, match="vectors of one"):
        Ingestion(place.root, place.open_store("one"), place.embed, "two")


KILLED_SCRIPT = """
import os, signal, sys
from pathlib import Path
from bot.knowledge.ingestion.ingestion import Ingestion
from bot.knowledge.ingestion.spool import Spool
from bot.knowledge.stores.sqlite import SqliteStore

calls = 0
def embed(texts):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return [[1.0, float(len(text))] for text in texts]

if sys.argv[3] == "commit":
    from bot.knowledge.stores import sqlite as room
    insert = room._insert
    def insert_half_and_die(connection, nodes):
        insert(connection, list(nodes)[: len(nodes) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    room._insert = insert_half_and_die
    sys.argv[3] = "-1"

store = SqliteStore(Path(sys.argv[2]), "hash")
spool = Path(sys.argv[2]).with_name("reading.sqlite")
Ingestion(Path(sys.argv[1]), store, embed, "hash", batch=5, in_flight=1, spool=spool).run()
"""


@pytest.mark.parametrize("moment", ["2", "commit"])
async def test_kill_9_keeps_the_old_state_and_saved_vectors(place: IngestionSetup, moment: str) -> None:
    place.embed.dimension = 2
    place.write_files(**{f"f{n}": f"Old word {n}." for n in range(10)})
    place.create_ingestion().run()
    old = await place.find_texts("word")
    place.write_files(**{f"f{n}": f"New word {n}." for n in range(10)})
    command = [sys.executable, "-c", textwrap.dedent(KILLED_SCRIPT), str(place.root), str(place.path), moment]
    done = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert await place.find_texts("word") == old
    report = place.create_ingestion().run()
    assert report.embedded == (5 if moment == "2" else 0)
    assert await place.find_texts("word") == {f"New word {n}." for n in range(10)}
