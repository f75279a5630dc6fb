"""What is on this machine: settings, documents and their collections, the index, the records, room on the disk."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bot.access import collection_rules
from bot.access.scopes import Rule
from bot.doctor.check_result import CheckResult, format_names
from bot.errors import RecordsUnusable
from bot.records import SqlRecords
from bot.settings import DEFAULT_MODEL
from bot.text.wording import format_count, format_passed_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bot.domain import LibraryState
    from bot.settings import Settings

_MIN_FREE_BYTES: Final = 200_000_000
"""Bytes of free disk under which an ingestion may run out: 100,000 passages of 384 dimensions take some 300 MB."""

_COLLECTIONS: Final = "Collections"
_MAX_RESULTS: Final = 20
_EXAMPLE_RULE: Final = "guilds = [123456789012345678]"


def check_settings(settings: Settings) -> CheckResult:
    """Which settings are set, by name alone, and whether any of them does nothing."""
    if idle := list(_find_unused_settings(settings)):
        return CheckResult(
            "Settings", "note", f"without effect: {format_names(idle)}", "Remove it, or set what it belongs to."
        )
    fields = type(settings).model_fields
    names = [name.upper() for name, field in fields.items() if getattr(settings, name) != field.default]
    return CheckResult("Settings", "well", f"valid; chosen: {', '.join(names) or 'none, all is as it comes'}")


def check_documents(folder: Path) -> CheckResult:
    """Whether the documents' folder is there and holds files that can be read."""
    from bot.knowledge.sources.folder import scan_folder  # noqa: PLC0415  # two seconds of LlamaIndex, spent in this thread

    subject = "Documents"
    if not folder.is_dir():
        return CheckResult(
            subject, "ill", f"the folder {folder} is missing", "Create it, or set DATA_DIR to where they are."
        )
    scan = scan_folder(folder)
    readable = sum(not found.fault for found in scan.files)
    passed_over = format_passed_over(scan.passed_over)
    if not readable:
        return CheckResult(
            subject, "ill", f"no file in {folder} can be read",
            "Put documents into it (Markdown, text, HTML, PDF, Office files, source code), then run `reindex`.",
        )  # fmt: skip
    return CheckResult(
        subject,
        "well",
        "; ".join(
            filter(None, (f"{readable} readable {'file' if readable == 1 else 'files'} in {folder}", passed_over))
        ),
    )


def check_collections(folder: Path) -> Sequence[CheckResult]:
    """Each collection that nobody sees, and each rule for none; where there are no such, one finding for all."""
    known, faults = collection_rules.read_rules(folder)
    held = {path.name[1:] for path in folder.glob("@?*") if path.is_dir() and not path.is_symlink()}
    unreadable = {fault.partition(".toml: ")[0][1:] for fault in faults}
    read = {name: rule for name, rule in known.items() if name not in unreadable}
    ill = [
        CheckResult(_COLLECTIONS, "ill", f"{fault} Nobody sees it", "Correct that file.") for fault in sorted(faults)
    ]
    misplaced = [
        CheckResult(_COLLECTIONS, "ill", warning.removesuffix("."), "Rename it, or move it to where it works.")
        for warning in collection_rules.find_misplaced_collections(folder)
    ]
    found = [*ill, *misplaced, *_find_hidden_collections(folder, held - unreadable, read)]
    if len(found) > _MAX_RESULTS:
        more = format_count(len(found) - _MAX_RESULTS, "more collection")
        found[_MAX_RESULTS:] = [CheckResult(_COLLECTIONS, "note", f"{more} like these", "Mend these first.")]
    if found:
        return found
    if not held:
        return [CheckResult(_COLLECTIONS, "well", "none: all documents are everybody's")]
    return [
        CheckResult(_COLLECTIONS, "well", f"{format_names([f'@{name}' for name in sorted(held)])}: each has its rule")
    ]


async def check_index(index: Awaitable[LibraryState | str]) -> CheckResult:
    """Whether there is an index, and what it holds."""
    subject = "Index"
    state = await index
    if isinstance(state, str):
        return CheckResult(subject, "ill", state, "Mend that, then look again.")
    if not state.nodes:
        return CheckResult(subject, "note", "empty", "It is built when the bot starts, or now with `reindex`.")
    return CheckResult(
        subject, "well", f"{state.documents} documents, {state.nodes} passages, embeddings: {state.embedding}"
    )


async def check_records(settings: Settings) -> CheckResult:
    """Whether what is remembered can be opened; a file that is not there yet is not made."""
    subject, file = "Records", settings.state_dir / "records.sqlite"
    url = settings.records_url
    if url is None and not file.exists():
        return CheckResult(subject, "well", f"none yet: {file} is made when the bot starts")
    opening = SqlRecords.open_file(file) if url is None else SqlRecords.open(url.get_secret_value())
    try:
        async with opening:
            pass
    except RecordsUnusable as error:
        remedy = "Correct RECORDS_URL, or start that database." if url else f"Move {file} away, or give this user it."
        return CheckResult(subject, "ill", error.user_message.removesuffix("."), remedy)
    place = file if url is None else f"the database at {urlsplit(url.get_secret_value()).hostname}"
    return CheckResult(subject, "well", f"{place} opens; kept for {format_count(settings.remember_days, 'day')}")


def check_disk(folder: Path) -> CheckResult:
    """Whether the index can be written and may grow."""
    subject = "Disk"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return CheckResult(subject, "ill", f"{existing} is not writable", "Give this user the right, or set STATE_DIR.")
    free = shutil.disk_usage(existing).free
    seen = f"{free / 1e9:.1f} GB free for {folder}"
    if free < _MIN_FREE_BYTES:
        return CheckResult(subject, "ill", seen, "Make room, or set STATE_DIR to another disk.")
    return CheckResult(subject, "well", seen)


def _find_unused_settings(settings: Settings) -> Iterator[str]:
    """The settings that stand for something the others leave no room for."""
    if not settings.has_model and settings.llm_model != DEFAULT_MODEL:
        yield "LLM_MODEL without OPENAI_API_KEY or OPENAI_BASE_URL"
    if settings.embedding in {"local", "none"}:
        given = {"EMBED_BASE_URL": settings.embed_base_url, "EMBED_API_KEY": settings.embed_api_key}
        yield from (f"{name} with embeddings “{settings.embedding}”" for name, value in given.items() if value)


def _find_hidden_collections(
    folder: Path, existing: set[str], known_rules: Mapping[str, Rule]
) -> Iterator[CheckResult]:
    """The collections that nobody sees though nothing is wrong with their collection_rules."""
    for name in sorted(existing - set(known_rules)):
        remedy = f"Write {folder / f'@{name}.toml'} with the ids of who may see it, such as {_EXAMPLE_RULE}."
        yield CheckResult(_COLLECTIONS, "note", f"@{name} has no rule: nobody sees it", remedy)
    for name in sorted(known_rules):
        if name not in existing:
            remedy = f"Make the folder {folder / f'@{name}'}, or remove the file."
            yield CheckResult(
                _COLLECTIONS, "note", f"@{name}.toml is a rule for a collection that is not there", remedy
            )
        elif known_rules[name] == Rule():
            remedy = f"Write into it the ids of who may see it, such as {_EXAMPLE_RULE}."
            yield CheckResult(_COLLECTIONS, "note", f"@{name}.toml names nobody: nobody sees @{name}", remedy)
