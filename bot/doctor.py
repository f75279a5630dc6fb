"""A look at everything the bot needs, from the outside: what was seen, and what to do where it is not well.

Each check performs one look and returns one finding; none raises, and none shows a key.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from bot.answering import LibraryState
    from bot.settings import Settings

PERMISSIONS = 0x400 | 0x800 | 0x8000 | 0x10000 | 0x800000000 | 0x4000000000
"""View Channel, Send Messages, Attach Files, Read Message History, Create Public Threads, Send Messages in Threads: the
least that works."""

_PATIENCE = aiohttp.ClientTimeout(total=10)
_LEAST_FREE = 200_000_000
"""Bytes of free disk under which an ingestion may run out: 100,000 passages of 384 dimensions take some 300 MB."""

_UNAUTHORISED = {401, 403}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, what was seen, and what to do about it."""

    subject: str
    state: Literal["well", "note", "ill"]
    seen: str
    remedy: str = ""


def invite_link(application: str) -> str:
    """The link with which an admin of a server adds the bot, with the least permissions."""
    scopes = "bot%20applications.commands"
    return f"https://discord.com/oauth2/authorize?client_id={application}&scope={scopes}&permissions={PERMISSIONS}"


async def examined(settings: Settings, index: Awaitable[LibraryState | str]) -> Sequence[Finding]:
    """Every check, side by side. ``index`` gives the library's state, or the words of why it cannot be opened."""
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        return await asyncio.gather(
            discord_token(session, settings),
            model(session, settings),
            embeddings(session, settings),
            asyncio.to_thread(documents, settings.data_dir),
            searchable(index),
            asyncio.to_thread(disk, settings.state_dir),
        )


async def discord_token(session: aiohttp.ClientSession, settings: Settings) -> Finding:
    """Whether Discord knows the token, and the link that invites the bot."""
    subject = "Discord"
    if settings.discord_token is None:
        return Finding(subject, "ill", "no token", "Set DISCORD_TOKEN (README, “On a real server”), or try `preview`.")
    url = settings.discord_api_url
    headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}"}
    status, body = await _fetched(session, f"{url}/users/@me", headers)
    if status is None:
        return Finding(subject, "ill", f"{_host(url)} cannot be reached", "Look at this machine's network.")
    if status in _UNAUTHORISED:
        return Finding(
            subject, "ill", "the token is not accepted", "Reset it in the developer portal, set DISCORD_TOKEN."
        )
    if "username" not in body:
        return Finding(subject, "ill", f"{_host(url)} answered with status {status}", "Try again in a minute.")
    return Finding(subject, "well", f"signed in as {body['username']}; invite: {invite_link(str(body['id']))}")


async def model(session: aiohttp.ClientSession, settings: Settings) -> Finding:
    """Which host questions and passages go to, and whether it knows the model."""
    subject = "Model"
    if not settings.has_model:
        return Finding(
            subject, "note", "none: documents are quoted word for word; nothing leaves this machine",
            "For written answers set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.",
        )  # fmt: skip
    return await _served(session, subject, settings.model_url, settings.openai_api_key, settings.llm_model, "questions")


async def embeddings(session: aiohttp.ClientSession, settings: Settings) -> Finding:
    """Which host the documents' text goes to, and whether it knows the model."""
    subject = "Embeddings"
    if settings.embedding == "none":
        return Finding(
            subject, "note", "none: passages are found by their words alone", "EMBED_MODEL=local finds more."
        )
    if settings.embedding == "local":
        return Finding(subject, "well", "local: no text leaves this machine")
    return await _served(
        session, subject, settings.embedding_url, settings.embedding_key, settings.embedding, "documents"
    )


def documents(folder: Path) -> Finding:
    """Whether the documents' folder is there and holds files that can be read."""
    from bot.knowledge.readers import listed  # noqa: PLC0415  # two seconds of LlamaIndex, spent in this thread

    subject = "Documents"
    if not folder.is_dir():
        return Finding(
            subject, "ill", f"the folder {folder} is missing", "Create it, or set DATA_DIR to where they are."
        )
    readable = sum(not found.fault for found in listed(folder))
    if not readable:
        return Finding(
            subject, "ill", f"no file in {folder} can be read",
            "Put documents into it (Markdown, text, HTML, PDF, Office files, source code), then run `reindex`.",
        )  # fmt: skip
    return Finding(subject, "well", f"{readable} readable {'file' if readable == 1 else 'files'} in {folder}")


async def searchable(index: Awaitable[LibraryState | str]) -> Finding:
    """Whether there is an index, and what it holds."""
    subject = "Index"
    state = await index
    if isinstance(state, str):
        return Finding(subject, "ill", state)
    if not state.nodes:
        return Finding(subject, "note", "empty", "It is built when the bot starts, or now with `reindex`.")
    return Finding(
        subject, "well", f"{state.documents} documents, {state.nodes} passages, embeddings: {state.embedding}"
    )


def disk(folder: Path) -> Finding:
    """Whether the index can be written and may grow."""
    subject = "Disk"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding(subject, "ill", f"{existing} is not writable", "Give this user the right, or set STATE_DIR.")
    free = shutil.disk_usage(existing).free
    seen = f"{free / 1e9:.1f} GB free for {folder}"
    if free < _LEAST_FREE:
        return Finding(subject, "ill", seen, "Make room, or set STATE_DIR to another disk.")
    return Finding(subject, "well", seen)


async def _served(  # noqa: PLR0913, PLR0917  # one look at a server takes all of these, from two callers
    session: aiohttp.ClientSession, subject: str, url: str, key: SecretStr | None, name: str, what: str
) -> Finding:
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
    status, body = await _fetched(session, f"{url}/models", headers)
    host = _host(url)
    if status is None:
        return Finding(subject, "ill", f"{host} cannot be reached", "Is the server running, and its address right?")
    if status in _UNAUTHORISED:
        return Finding(subject, "ill", f"{host} does not accept the key", "Set a key this server knows.")
    names = [str(entry.get("id")) for entry in body.get("data", []) if isinstance(entry, dict)]
    seen = f"{name} at {host}: {what} go there"
    if names and not any(name in {known, known.removesuffix(":latest")} for known in names):
        return Finding(subject, "ill", f"{host} has no model {name}", f"It has: {', '.join(sorted(names)[:8])}.")
    if not names:
        return Finding(subject, "note", f"{seen} (it does not list its models)")
    return Finding(subject, "well", seen)


async def _fetched(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str]
) -> tuple[int | None, dict[str, Any]]:
    """The status and JSON object at ``url``; (None, {}) where nobody answers."""
    try:
        async with session.get(url, headers=headers) as response:
            body: object = await response.json(content_type=None) if response.content_length != 0 else {}
            return response.status, cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    except ValueError:
        return 200, {}
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None, {}


def _host(url: str) -> str:
    return urlsplit(url).netloc
