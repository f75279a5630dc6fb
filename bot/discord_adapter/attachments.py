"""Reads the files that came with a question: fetched from Discord at its turn, read by the library, not stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import discord

from bot.domain import Image
from bot.errors import DocumentUnreadable, QuestionInvalid
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bot.domain import Attachment, FileReader, Question

MAX_FILES = 3
"""Files of one question that are read."""

MAX_FILE_BYTES = 10 * 2**20
"""Bytes of the largest file that is read with a question: Discord's limit for everybody."""

MAX_IMAGES = 3
"""Pictures of one question that are sent to the model."""

MAX_IMAGE_BYTES = 4 * 2**20
"""Bytes of the largest picture that is sent to the model."""

_IMAGE_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""The formats that models read, by their first bytes; WebP has its name at two places."""
_RIFF, _WEBP = slice(0, 4), slice(8, 12)


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """What the files of one question hold, and a note for each that was left out."""

    attachments: tuple[Attachment, ...] = ()
    images: tuple[Image, ...] = ()
    notes: tuple[str, ...] = ()


class AttachmentReader:
    """Reads files for all questions; one person, and one server, has only so many read at the same time.

    Args:
        reader: Reads documents in the limited child process.
        reads_images: The model reads pictures, so they are sent to it.
        per_person: Questions of one person whose files are read at the same time; 0 is no limit.
        per_server: The same for one server.
    """

    def __init__(
        self, reader: FileReader, *, reads_images: bool = False, per_person: int = 0, per_server: int = 0
    ) -> None:
        self._reader = reader
        self._reads_images = reads_images
        self._limits = {"person": per_person, "server": per_server}
        self._counts: Counter[tuple[str, int]] = Counter()
        self._freed = asyncio.Condition()

    async def read(self, question: Question, files: Sequence[discord.Attachment]) -> ReadFiles:
        """Return what the files hold, in their order; a file that cannot be read never refuses the question."""
        if not files:
            return ReadFiles()
        async with self._take_place(question):
            return await self._read_all(files)

    async def _read_all(self, files: Sequence[discord.Attachment]) -> ReadFiles:
        attachments: list[Attachment] = []
        images: list[Image] = []
        notes: list[str] = []
        pictures = [file for file in files if _seems_image(file)] if self._reads_images else []
        documents = [file for file in files if file not in pictures]
        for file in documents[:MAX_FILES]:
            try:
                attachments.append(await self._read_document(file))
            except QuestionInvalid as error:
                notes.append(error.user_message)
        for file in pictures[:MAX_IMAGES]:
            try:
                images.append(await _read_image(file))
            except QuestionInvalid as error:
                notes.append(error.user_message)
        if len(documents) > MAX_FILES:
            notes.append(f"At most {MAX_FILES} files are read with a question; there are {len(documents)}.")
        if len(pictures) > MAX_IMAGES:
            notes.append(f"At most {MAX_IMAGES} pictures are read with a question; there are {len(pictures)}.")
        return ReadFiles(tuple(attachments), tuple(images), tuple(notes))

    async def _read_document(self, file: discord.Attachment) -> Attachment:
        content = await _fetch(file, MAX_FILE_BYTES)
        try:
            return await self._reader.read(file.filename, content)
        except DocumentUnreadable as error:
            raise QuestionInvalid(f"{escape_markdown(file.filename)} was not read: {error.user_message}.") from error

    @asynccontextmanager
    async def _take_place(self, question: Question) -> AsyncGenerator[None]:
        """Wait until fewer questions of this person, and of this server, have files read."""
        keys = [("person", question.asker_id)]
        if question.guild_id is not None:
            keys.append(("server", question.guild_id))

        def is_free() -> bool:
            return all(not self._limits[key[0]] or self._counts[key] < self._limits[key[0]] for key in keys)

        async with self._freed:
            await self._freed.wait_for(is_free)
            self._counts.update(keys)
        try:
            yield
        finally:
            self._counts.subtract(keys)
            self._counts = +self._counts
            async with self._freed:
                self._freed.notify_all()


def _seems_image(file: discord.Attachment) -> bool:
    return (file.content_type or "").partition(";")[0].strip().lower().startswith("image/")


async def _read_image(file: discord.Attachment) -> Image:
    """Fetch a picture; its first bytes must be of a format that models read.

    Raises:
        QuestionInvalid: it is too large, cannot be fetched, or is of another format; the message says which.
    """
    content = await _fetch(file, MAX_IMAGE_BYTES)
    found = (media_type for signature, media_type in _IMAGE_SIGNATURES.items() if content.startswith(signature))
    media_type = "image/webp" if (content[_RIFF], content[_WEBP]) == (b"RIFF", b"WEBP") else next(found, None)
    if media_type is None:
        raise QuestionInvalid(
            f"{escape_markdown(file.filename)} was not read: it is not a PNG, JPEG, GIF or WebP picture."
        )
    return Image(file.filename, media_type, content)


async def _fetch(file: discord.Attachment, max_bytes: int) -> bytes:
    name = escape_markdown(file.filename)
    if file.size > max_bytes:
        raise QuestionInvalid(f"{name} was not read: it is larger than {max_bytes // 2**20} MB.")
    try:
        return await file.read()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise QuestionInvalid(f"{name} could not be fetched from Discord. Attach it again.") from error
