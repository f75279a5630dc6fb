"""The command line: ``python -m bot``, or ``docent`` where it is installed.

Exit status: 0 done · 1 failed, with one sentence · 2 wrong command line · 78 wrong settings.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot import settings
from bot.app import logging
from bot.app.terminal import Terminal
from bot.app.version import read_version
from bot.errors import DocentError, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from bot.settings import Settings

EXIT_FAILED = 1
EXIT_SETTINGS = 78
"""EX_CONFIG of sysexits.h."""
EXIT_INTERRUPTED = 130

commands = typer.Typer(
    help=(
        "Docent answers a team's questions on Discord from the team's own documents.\n\n"
        "Without a command it connects to Discord and stays there. Settings come from the environment and from .env; "
        ".env.example names them all. New here? Try [bold]preview[/bold]: it needs no key and no Discord."
    ),
    rich_markup_mode="rich",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@commands.callback(invoke_without_command=True)
def connect(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Connect to Discord, unless another command is given."""
    if version:
        typer.echo(f"docent {read_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        chosen = _load_settings(required=("discord_token",))
        from bot.app.serve import serve  # noqa: PLC0415  # each command loads only what it needs: --help is at once

        _run(serve(chosen))


@commands.command()
def preview(
    port: Annotated[int, typer.Option(help="The page's port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    *,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Try it in a browser, against a simulated Discord on this machine; no key needed.

    Without a model your documents are quoted; with OPENAI_API_KEY or OPENAI_BASE_URL a model writes. Ctrl+C ends it.
    """
    chosen = _load_settings()
    from bot.app.serve import preview as serve_preview  # noqa: PLC0415  # as above

    _run(serve_preview(chosen, Terminal(), port=port, open_browser=browser))


@commands.command()
def ask(question: Annotated[str, typer.Argument(help="Your question, in quotes.", show_default=False)]) -> None:
    """Ask a question in the terminal; the answer streams here, with its sources.

    Example: python -m bot ask "How long do refunds take?"
    """
    chosen = _load_settings()
    from bot.app.cli import ask as ask_once  # noqa: PLC0415  # as above

    _run(ask_once(chosen, Terminal(), question))


@commands.command()
def reindex(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Go on even if most documents would be deleted.")] = False,
) -> None:
    """Read the new and changed documents into the index.

    Only changes are read and embedded. A running bot notices at once; until then it answers from the old index.
    """
    chosen = _load_settings()
    from bot.app.cli import reindex as reindex_once  # noqa: PLC0415  # as above

    _run(reindex_once(chosen, Terminal(), dry_run=dry_run, force=force))


@commands.command()
def evaluate(
    file: Annotated[
        Path,
        typer.Argument(help="The questions, one JSON object per line.", exists=True, dir_okay=False, readable=True),
    ],
    documents: Annotated[
        Path | None,
        typer.Option(help="Search this folder instead, in a temporary index.", exists=True, file_okay=False),
    ] = None,
    *,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Let the model answer every question, which costs tokens.")
    ] = False,
) -> None:
    """Measure how well a set of questions is answered, compared with the last run.

    A line: {"question": "Who approves refunds?", "source": "refunds.md", "answers": ["Lotte"]}; answers are optional.
    Shows how often the source is found first and among the first three and five, MRR@10 and latency, by keywords, by
    vectors and by both, and what the answers were. Without --with-model the documents are quoted.
    """
    chosen = _load_settings()
    from bot.app.cli import evaluate as evaluate_once  # noqa: PLC0415  # as above

    _run(evaluate_once(chosen, Terminal(), file, documents=documents, with_model=with_model))


@commands.command()
def backup(target: Annotated[Path, typer.Argument(help="A new folder for the copies.", show_default=False)]) -> None:
    """Copy the index and the records to a folder, also while the bot runs.

    Not in it: your documents, their rules and .env. What is in PostgreSQL is backed up with pg_dump.
    """
    chosen = _load_settings()
    from bot.app.backup import back_up  # noqa: PLC0415  # as above

    _run(back_up(chosen, Terminal(), target))


@commands.command()
def restore(
    source: Annotated[
        Path, typer.Argument(help="The folder of a backup.", exists=True, file_okay=False, show_default=False)
    ],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace what STATE_DIR holds.")] = False,
) -> None:
    """Copy a backup into STATE_DIR. Stop the bot first."""
    chosen = _load_settings()
    from bot.app.backup import restore as restore_backup  # noqa: PLC0415  # as above

    _run(restore_backup(chosen, Terminal(), source, force=force))


@commands.command()
def migrate_store(
    to: Annotated[str, typer.Option(help="The target: a file, or postgresql+asyncpg://….", show_default=False)],
    source: Annotated[
        str | None, typer.Option("--from", help="The source; by default the index of the settings.")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an index at the target.")] = False,
) -> None:
    """Copy the index to another store or into a backup, without embedding anything again.

    To PostgreSQL: --to postgresql+asyncpg://user:password@host/database, then set STORE_URL to the same.
    A backup, also while the bot runs: --to backup/index.sqlite. Back again: --from backup/index.sqlite --to PLACE.
    """
    chosen = _load_settings()
    from bot.app.cli import migrate_store as migrate  # noqa: PLC0415  # as above

    _run(
        migrate(
            chosen,
            Terminal(),
            settings.parse_store_location(to),
            source=source and settings.parse_store_location(source),
            force=force,
        )
    )


@commands.command()
def doctor(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask Discord or the model servers; costs nothing.")
    ] = False,
) -> None:
    """Check everything the bot needs, and say what to do about each failed check.

    Checks settings, token, intents, permissions in each server, models (each is asked for one word), documents, index,
    records and disk, and names the host that each text is sent to. Ends with the link that invites the bot.
    """
    chosen = _load_settings()
    from bot.app.cli import diagnose  # noqa: PLC0415  # as above

    _run(diagnose(chosen, Terminal(), is_offline=offline))


def _load_settings(required: Collection[str] = ()) -> Settings:
    chosen = settings.load(required=required)
    logging.configure(chosen.log_level, chosen.log_format, chosen.secrets)
    return chosen


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def _remove_other_openai_variables() -> None:
    """Remove OPENAI_ORG_ID, OPENAI_LOG and their like: what is no setting of Docent's must not steer its libraries."""
    known = settings.list_setting_names()
    for name in [name for name in os.environ if name.upper().startswith("OPENAI_") and name.upper() not in known]:
        del os.environ[name]


def main() -> None:
    """Run a command; a known failure prints its message and sets the exit status, without a traceback."""
    _remove_other_openai_variables()
    try:
        commands()
    except SettingsInvalid as error:
        Terminal().show_problems(error.problems)
        sys.exit(EXIT_SETTINGS)
    except DocentError as error:
        Terminal().print_error(error.user_message)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        os._exit(EXIT_FAILED)  # the reader of our output is gone; flushing would fail again


if __name__ == "__main__":
    main()
