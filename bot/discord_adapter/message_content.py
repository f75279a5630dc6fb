"""Reads everything that a message says: its text, forwarded messages, embeds, a poll, stickers, and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import discord

_SHOWN_EMBEDS = {None, "rich"}
"""Embeds that somebody wrote; all others are Discord's previews of links."""


def describe_message(message: discord.Message, text: str) -> str:
    """Return what a message says as plain text.

    Args:
        message: The message that somebody points at.
        text: Its own content, with mentions as names.
    """
    return "\n\n".join(part for part in (text.strip(), *_describe_extras(message)) if part)


def describe_forwarded(message: discord.Message) -> str:
    """Return what the messages say that a message forwards; "" if it forwards none."""
    return "\n\n".join(
        part
        for snapshot in message.message_snapshots
        for part in (
            snapshot.content.strip(),
            *map(_describe_embed, snapshot.embeds),
            _list_stickers(snapshot.stickers),
        )
        if part
    )


def list_files(message: discord.Message) -> list[discord.Attachment]:
    """Return the files of a message and of those that it forwards."""
    return [*message.attachments, *(file for snapshot in message.message_snapshots for file in snapshot.attachments)]


def _describe_extras(message: discord.Message) -> Iterable[str]:
    yield describe_forwarded(message)
    yield from map(_describe_embed, message.embeds)
    if message.poll is not None:
        answers = "\n".join(f"- {answer.text}" for answer in message.poll.answers)
        yield f"Poll: {message.poll.question}\n{answers}".strip()
    yield _list_stickers(message.stickers)


def _describe_embed(embed: discord.Embed) -> str:
    if embed.type not in _SHOWN_EMBEDS:
        return ""
    fields = [f"{field.name}: {field.value}" for field in embed.fields]
    return "\n".join(part.strip() for part in (embed.title, embed.description, *fields) if part and part.strip())


def _list_stickers(stickers: Iterable[discord.StickerItem]) -> str:
    names = ", ".join(sticker.name for sticker in stickers)
    return f"Sticker: {names}" if names else ""
