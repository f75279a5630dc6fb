"""Files that came with a question: fetched from Discord when it is its turn, read by the library, kept by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import discord

from bot.errors import DocumentUnreadable, QuestionInvalid
from bot.text.citations import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain import Attached, Library

MOST = 3
"""So many files of one question are read."""

LARGEST = 10 * 2**20
"""Bytes of the largest file that is read as part of a question: what anybody may attach on Discord."""


async def attached(library: Library, files: Sequence[discord.Attachment]) -> tuple[Attached, ...]:
    """What the files say, in their order.

    Raises:
        QuestionInvalid: there are too many, or one cannot be fetched or read; the words name it and say why.
    """
    if len(files) > MOST:
        raise QuestionInvalid(f"At most {MOST} files are read with a question; there are {len(files)}.")
    return tuple([await _read(library, file) for file in files])


async def _read(library: Library, file: discord.Attachment) -> Attached:
    name = escaped(file.filename)
    if file.size > LARGEST:
        raise QuestionInvalid(f"{name} was not read: it is larger than {LARGEST // 2**20} MB.")
    try:
        content = await file.read()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise QuestionInvalid(f"{name} could not be fetched from Discord. Attach it again.") from error
    try:
        return await library.read(file.filename, content)
    except DocumentUnreadable as error:
        raise QuestionInvalid(f"{name} was not read: {error.words}.") from error
