"""Reads the files that came with a question: fetched from Discord at its turn, read by the library, not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import discord

from bot.errors import DocumentUnreadable, QuestionInvalid
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain import Attachment, FileReader

MAX_FILES = 3
"""Files of one question that are read."""

MAX_FILE_BYTES = 10 * 2**20
"""Bytes of the largest file that is read with a question: Discord's limit for everybody."""


async def read_attachments(
    reader: FileReader, files: Sequence[discord.Attachment]
) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
    """Return what the files say, in their order, and a note for each that was left out: the question is answered."""
    attachments: list[Attachment] = []
    notes: list[str] = []
    for file in files[:MAX_FILES]:
        try:
            attachments.append(await _read_attachment(reader, file))
        except QuestionInvalid as error:
            notes.append(error.user_message)
    if len(files) > MAX_FILES:
        notes.append(f"At most {MAX_FILES} files are read with a question; there are {len(files)}.")
    return tuple(attachments), tuple(notes)


async def _read_attachment(reader: FileReader, file: discord.Attachment) -> Attachment:
    name = escape_markdown(file.filename)
    if file.size > MAX_FILE_BYTES:
        raise QuestionInvalid(f"{name} was not read: it is larger than {MAX_FILE_BYTES // 2**20} MB.")
    try:
        content = await file.read()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise QuestionInvalid(f"{name} could not be fetched from Discord. Attach it again.") from error
    try:
        return await reader.read(file.filename, content)
    except DocumentUnreadable as error:
        raise QuestionInvalid(f"{name} was not read: {error.user_message}.") from error
