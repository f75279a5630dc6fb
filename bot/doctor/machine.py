"""Checks what is on this machine: settings, documents, collections, the index, the records and the disk."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bot.access import collection_rules
from bot.access.scopes import Rule
from bot.doctor.check_result import CheckResult, format_names
from bot.errors import RecordsUnusable
from bot.records import SqlRecords
from bot.settings import DEFAULT_MODEL, LOCAL_EMBEDDINGS
from bot.text.search_terms import LANGUAGE_NAMES
from bot.text.wording import format_count, format_passed_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence

    from bot.domain import LibraryState
    from bot.settings import Settings

_MIN_FREE_BYTES: Final = 200_000_000
"""Bytes of free disk under which an ingestion may run out: 100,000 passages of 384 dimensions take some 300 MB."""

_UNSAFE_FILE_SYSTEMS: Final = re.compile(r"nfs|cifs|smb|fuse\b|fuse\.|9p|vboxsf|drvfs|afs|ceph|glusterfs|lustre")
"""Network and FUSE file systems; https://sqlite.org/wal.html: "WAL does not work over a network filesystem"."""

_COLLECTIONS: Final = "Collections"
_MAX_RESULTS: Final = 20
_EXAMPLE_RULE: Final = "guilds = [123456789012345678]"


def check_settings(settings: Settings) -> CheckResult:
    """List the settings that are set, by name only, and report those without effect."""
    if unused := list(_find_unused_settings(settings)):
        return CheckResult(
            "Settings", "note", f"without effect: {format_names(unused)}", "Remove it, or set what it belongs to."
        )
    fields = type(settings).model_fields
    names = [
        name.upper()
        for name, field in fields.items()
        if getattr(settings, name) != field.get_default(call_default_factory=True)
    ]
    return CheckResult("Settings", "ok", f"valid; set: {', '.join(names) or 'none, all have their defaults'}")


def check_proxies(settings: Settings) -> Sequence[CheckResult]:
    """Name the HTTP proxies that requests go through; nothing where there are none."""
    if not settings.proxies.hosts:
        return []
    seen = f"requests go through {' and '.join(settings.proxies.hosts)}; private addresses are reached directly"
    return [CheckResult("Proxy", "note", seen, "Set NO_PROXY for other hosts that are to be reached directly.")]


def check_documents(folder: Path) -> CheckResult:
    """Check that the documents' folder exists and holds readable files; count those of unknown kinds."""
    from bot.knowledge.sources.folder import scan_folder  # noqa: PLC0415  # two seconds of LlamaIndex

    subject = "Documents"
    if not folder.is_dir():
        return CheckResult(
            subject, "error", f"the folder {folder} is missing", "Create it, or set DATA_DIR to another folder."
        )
    scan = scan_folder(folder)
    readable = sum(not found.fault for found in scan.files)
    passed_over = format_passed_over(scan.passed_over)
    if not readable:
        return CheckResult(
            subject, "error", f"no file in {folder} can be read" + (f"; {passed_over}" if passed_over else ""),
            "Put documents into it (Markdown, text, HTML, PDF, Office files, source code), then run `reindex`.",
        )  # fmt: skip
    seen = f"{format_count(readable, 'readable file')} in {folder}"
    return CheckResult(subject, "ok", f"{seen}; {passed_over}" if passed_over else seen)


def check_collections(folder: Path) -> Sequence[CheckResult]:
    """Report collections without access rules and rules without a collection; one "ok" if there are none."""
    known, faults = collection_rules.read_rules(folder)
    held = {path.name[1:] for path in folder.glob("@?*") if path.is_dir() and not path.is_symlink()}
    unreadable = {fault.partition(".toml: ")[0][1:] for fault in faults}
    read = {name: rule for name, rule in known.items() if name not in unreadable}
    errors = [
        CheckResult(_COLLECTIONS, "error", f"{fault} Nobody can see it", "Correct that file.")
        for fault in sorted(faults)
    ]
    misplaced = [
        CheckResult(_COLLECTIONS, "error", warning.removesuffix("."), "Rename it, or move it to where it works.")
        for warning in collection_rules.find_misplaced_collections(folder)
    ]
    found = [*errors, *misplaced, *_find_hidden_collections(folder, held - unreadable, read)]
    if len(found) > _MAX_RESULTS:
        more = format_count(len(found) - _MAX_RESULTS, "more collection")
        found[_MAX_RESULTS:] = [CheckResult(_COLLECTIONS, "note", f"{more} like these", "Correct the others first.")]
    if found:
        return found
    if not held:
        return [CheckResult(_COLLECTIONS, "ok", "none: everybody can see all documents")]
    return [CheckResult(_COLLECTIONS, "ok", f"{format_names([f'@{name}' for name in sorted(held)])}: each has a rule")]


async def check_index(index: Awaitable[LibraryState | str]) -> CheckResult:
    """Check that the index opens, and say what it holds."""
    subject = "Index"
    state = await index
    if isinstance(state, str):
        return CheckResult(subject, "error", state, "Correct that, then run `doctor` again.")
    if not state.nodes:
        return CheckResult(subject, "note", "empty", "It is built when the bot starts, or now with `reindex`.")
    seen = f"{state.documents} documents, {state.nodes} passages, embeddings: {state.embedding}"
    if not state.language:
        return CheckResult(subject, "ok", seen)
    name = LANGUAGE_NAMES.get(state.language, "a language in another script than Latin")
    seen = f"{seen}; most are in {name}"
    if state.can_read_language:
        return CheckResult(subject, "ok", seen)
    return CheckResult(
        subject, "note", f"{seen}, which this embedding model does not read",
        "Set EMBED_MODEL=multilingual, then run `reindex`.",
    )  # fmt: skip


async def check_records(settings: Settings) -> CheckResult:
    """Check that the records open; a file that does not exist yet is not created."""
    subject, file = "Records", settings.state_dir / "records.sqlite"
    url = settings.records_url
    if url is None and not file.exists():
        return CheckResult(subject, "ok", f"none yet: {file} is created when the bot starts")
    opening = SqlRecords.open_file(file) if url is None else SqlRecords.open(url.get_secret_value())
    try:
        async with opening:
            pass
    except RecordsUnusable as error:
        remedy = (
            "Correct RECORDS_URL, or start that database."
            if url
            else f"Give this user permission to read and write {file}, or move it away and start again."
        )
        return CheckResult(subject, "error", error.user_message.removesuffix("."), remedy)
    where = file if url is None else f"the database at {urlsplit(url.get_secret_value()).hostname}"
    return CheckResult(subject, "ok", f"{where} opens; kept for {format_count(settings.remember_days, 'day')}")


def check_disk(folder: Path) -> CheckResult:
    """Check that the folder is writable, has space, and is on a file system that SQLite can rely on."""
    subject = "Disk"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return CheckResult(
            subject, "error", f"no permission to write to {existing}", "Give it to this user, or set STATE_DIR."
        )
    kind = find_file_system(existing.resolve(), _read_mounts())
    if _UNSAFE_FILE_SYSTEMS.match(kind):
        seen = f"{folder} is on {kind}: SQLite's locks and write-ahead log fail there, and files can be damaged"
        return CheckResult(subject, "error", seen, "Set STATE_DIR to a local disk, or use PostgreSQL.")
    free = shutil.disk_usage(existing).free
    seen = f"{free / 1e9:.1f} GB free for {folder}"
    if free < _MIN_FREE_BYTES:
        return CheckResult(subject, "error", seen, "Free some space, or set STATE_DIR to another disk.")
    return CheckResult(subject, "ok", seen)


def is_on_network_file_system(folder: Path) -> bool:
    """Whether a folder is on a network or FUSE file system, which neither locks reliably nor reports changes."""
    return _UNSAFE_FILE_SYSTEMS.match(find_file_system(folder.resolve(), _read_mounts())) is not None


def find_file_system(folder: Path, mounts: str) -> str:
    """Return the type of the file system that holds a folder, from /proc/mounts; empty if it is not known."""
    found = ("", "")
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), point)
        if folder.is_relative_to(path) and len(path) >= len(found[0]):
            found = path, kind
    return found[1]


def _read_mounts() -> str:
    try:
        return Path("/proc/mounts").read_text("utf-8", "replace")
    except OSError:
        return ""  # not Linux


def _find_unused_settings(settings: Settings) -> Iterator[str]:
    """Find settings that have no effect because of the others."""
    if not settings.has_model and settings.llm_model != DEFAULT_MODEL:
        yield "LLM_MODEL without OPENAI_API_KEY or OPENAI_BASE_URL"
    if settings.embedding in LOCAL_EMBEDDINGS | {"none"}:
        given = {"EMBED_BASE_URL": settings.embed_base_url, "EMBED_API_KEY": settings.embed_api_key}
        yield from (f"{name} with embeddings “{settings.embedding}”" for name, value in given.items() if value)


def _find_hidden_collections(
    folder: Path, existing: set[str], known_rules: Mapping[str, Rule]
) -> Iterator[CheckResult]:
    """Yield the collections that nobody can see although no rule file is broken."""
    for name in sorted(existing - set(known_rules)):
        remedy = f"Write {folder / f'@{name}.toml'} with the ids of who may see it, such as {_EXAMPLE_RULE}."
        yield CheckResult(_COLLECTIONS, "note", f"@{name} has no rule: nobody can see it", remedy)
    for name in sorted(known_rules):
        if name not in existing:
            remedy = f"Create the folder {folder / f'@{name}'}, or remove the file."
            yield CheckResult(
                _COLLECTIONS, "note", f"@{name}.toml is a rule for a collection that does not exist", remedy
            )
        elif known_rules[name] == Rule():
            remedy = f"Write into it the ids of who may see it, such as {_EXAMPLE_RULE}."
            yield CheckResult(_COLLECTIONS, "note", f"@{name}.toml names nobody: nobody sees @{name}", remedy)
