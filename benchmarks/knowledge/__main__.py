"""The command line: sizes and stores are gone through one after the other, and become a table and a plot."""

from __future__ import annotations

import shutil
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.knowledge import server
from benchmarks.knowledge.measure import Metrics, Spec, measure
from benchmarks.knowledge.report import build_table, draw

if TYPE_CHECKING:
    from collections.abc import Callable

_SQLITE, _POSTGRES, _SIMPLE = "SQLite", "PostgreSQL", "SimpleVectorStore"
_WIDTH = 190
_SIMPLE_LIMIT = 5_000_000
"""Numbers in all that SimpleVectorStore writes out and reads in again within a minute: it takes 10 µs and more each."""


def main(  # noqa: PLR0913 # each is an option of the command
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="500 and 1,000 passages, 384 numbers: under a minute.")
    ] = False,
    passages: Annotated[list[int] | None, typer.Option(help="How many; may be given several times.")] = None,
    dimension: Annotated[list[int] | None, typer.Option(help="Numbers in a vector; likewise.")] = None,
    store: Annotated[list[str] | None, typer.Option(help="SQLite, PostgreSQL, SimpleVectorStore; likewise.")] = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="SimpleVectorStore also where it takes minutes, or hours.")
    ] = False,
    plot: Annotated[Path, typer.Option(help="Where the plot goes.")] = Path("knowledge.png"),
) -> None:
    """Measure what keeping and finding passages costs: 1k, 10k and 100k of them, vectors of 384 and 1,536 numbers.

    Passages are 600 characters of words as rare as in real texts, ten to a document, in 50 collections; vectors are
    random and come from nowhere, so that no model is measured. A question has six words and a vector, and wants the
    best 50 of either, weighed and in one order: all that the bot does until it knows its passages. SimpleVectorStore
    knows no words and is asked for vectors only; where it would take minutes it is passed over, unless you are patient.
    PostgreSQL is a server of its own, started here, if the package with one is installed; its memory is the client's
    alone.

    first run: everything stored. nothing new, 1 % new: the store's part of such a run, until it can be searched. open:
    until the first question can be asked. loop late: the worst delay of the event loop with nothing to do, which is the
    machine's own, with one question at a time and with 16.

    Everything takes most of an hour, nearly all of it 100,000 passages in PostgreSQL. Nothing else should run
    meanwhile: delays are wall time.
    """
    sizes = passages or ([500, 1_000] if quick else [1_000, 10_000, 100_000])
    dimensions = dimension or ([384] if quick else [384, 1_536])
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH)
    reached: dict[Spec, Metrics] = {}
    passed_over: dict[Spec, str] = {}
    chosen = _select_stores(store)
    if _POSTGRES in chosen and server.missing_packages():
        chosen.remove(_POSTGRES)
        console.print(f"{_POSTGRES} is left out; to measure it too: uv sync --group server")
    # Whoever is told to stop ends as if interrupted at the keyboard: what was started ends first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docent-benchmark-")))
        bar = stack.enter_context(Progress(*_progress_columns(), console=Console(stderr=True), transient=True))
        asked = [(size, numbers, name) for size in sizes for numbers in dimensions for name in chosen]
        task = bar.add_task("", total=len(asked))
        address = None
        for size, numbers, name in asked:
            bar.update(task, description=f"{name}, {size:,} × {numbers}")
            if name == _POSTGRES and address is None:
                address = stack.enter_context(server.run_server())
            spec = Spec(name, _find_location(folder, name, address), size, numbers)
            reason = "" if patient else _find_skip_reason(spec)
            if reason:
                passed_over[spec] = reason
            else:
                reached[spec] = measure(spec, _make_disk_probe(spec, folder))
                _delete_store(spec)
            bar.advance(task)
    console.print(build_table(reached, passed_over))
    if reached:
        draw(reached, plot)
        console.print(f"The plot is in {plot}.")


def _progress_columns() -> tuple[SpinnerColumn, TextColumn, BarColumn, MofNCompleteColumn, TimeElapsedColumn]:
    return SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()


def _select_stores(chosen: list[str] | None) -> list[str]:
    known = {name.lower(): name for name in (_SQLITE, _POSTGRES, _SIMPLE)}
    unknown = [name for name in chosen or [] if name.lower() not in known]
    if unknown:
        raise typer.BadParameter(f"no store is called {', '.join(unknown)}; there are {', '.join(known.values())}")
    return [known[name.lower()] for name in chosen] if chosen else list(known.values())


def _find_location(folder: Path, name: str, address: str | None) -> str:
    if name == _POSTGRES:
        return address or ""
    return str(folder / name / ("index.sqlite" if name == _SQLITE else "vectors.json"))


def _find_skip_reason(spec: Spec) -> str:
    if spec.store == _SIMPLE and spec.passages * spec.dimension > _SIMPLE_LIMIT:
        return "passed over: minutes"
    return ""


def _make_disk_probe(spec: Spec, folder: Path) -> Callable[[], int]:
    if spec.store != _POSTGRES:
        return lambda: sum(file.stat().st_size for file in (folder / spec.store).iterdir())
    return lambda: _query_database(
        spec.location,
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE"
        " relnamespace = 'docent'::regnamespace AND relkind = 'r'",
    )


def _delete_store(spec: Spec) -> None:
    if spec.store == _POSTGRES:
        _query_database(spec.location, "DROP SCHEMA docent CASCADE")
    else:
        shutil.rmtree(Path(spec.location).parent)


def _query_database(address: str, statement: str) -> int:
    """What a statement says, as a number; 0 where it says nothing."""
    import asyncio  # noqa: PLC0415  # as below

    import asyncpg  # noqa: PLC0415  # only where it is installed

    async def query() -> int:
        connection = await asyncpg.connect(address.replace("+asyncpg", ""))
        try:
            return int(await connection.fetchval(statement) or 0)
        finally:
            await connection.close()

    return asyncio.run(query())


if __name__ == "__main__":
    typer.run(main)
