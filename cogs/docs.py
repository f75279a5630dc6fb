"""/docs: admins list, add and remove documents in the collections that they may change."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.admin.document_list import PER_PAGE, format_document, format_import_result, format_page
from bot.discord_adapter import defer
from bot.discord_adapter.components import FORGED, AdminOnly, CustomId, Modal
from bot.discord_adapter.replies import edit_clicked_message, send_ephemeral
from bot.domain import SHARED, Scope
from bot.domain.collection_names import format_collection, parse_collection
from bot.errors import DocentError, DocumentUnreadable, RecordsUnusable
from bot.records import AuditEntry
from bot.text.citations import escape_markdown
from bot.text.invisible import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.discord_adapter.visibility import Visibility
    from bot.domain import DocumentInfo, Library
    from bot.records import Records

_log = logging.getLogger(__name__)

MAX_FILES = 10
"""Files that one form takes."""
MAX_FILE_BYTES = 50 * 2**20
"""Bytes of the largest file that is taken in: what the readers take."""

NOT_MANAGEABLE = "You may change only collections that are this server's alone."
UNKNOWN_DOCUMENT = "There is no such document that you may see."
REMOVED = "{name} is deleted from the folder. It is searchable until the next /reindex."
FROM_PAGE_LIST = "{name} belongs to a site on a list of pages; edit that list instead."
PAGE_ADDED = "{url} is on the list of {collection}. It is read with the next /reindex."

_PAGE, _REMOVE = "page", "remove"
_MAX_SUGGESTIONS = 25


@app_commands.default_permissions(manage_guild=True)
class Docs(
    AdminOnly, commands.GroupCog, group_name="docs", group_description="The documents that answers are drawn from"
):
    """The commands for documents. ``clock`` returns Unix seconds."""

    component_family = "docs"

    def __init__(
        self,
        library: Library,
        records: Records,
        visibility: Visibility,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._library = library
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command(name="list")
    @app_commands.describe(collection="Only these documents")
    async def list_documents(self, interaction: discord.Interaction[Any], collection: str | None = None) -> None:
        """List the searchable documents with their dates and passages."""
        if await self._begin(interaction):
            text, view = await self._build_page(
                interaction, "" if collection is None else format_collection(parse_collection(collection)), 0
            )
            await send_ephemeral(interaction, text, view=view)

    @app_commands.command()
    @app_commands.describe(document="Which document")
    async def show(self, interaction: discord.Interaction[Any], document: str) -> None:
        """Show one document: its title, its address and its age."""
        if await self._begin(interaction):
            found = next(
                (each for each in await self._load_visible_documents(interaction) if each.document == document), None
            )
            await send_ephemeral(interaction, UNKNOWN_DOCUMENT if found is None else format_document(found))

    @app_commands.command()
    @app_commands.describe(
        collection="Where it belongs; unless given, the shared documents",
        file="A document",
        url="A web page, http or https; end it with * for the pages below it",
    )
    async def add(
        self,
        interaction: discord.Interaction[Any],
        collection: str | None = None,
        file: discord.Attachment | None = None,
        url: str | None = None,
    ) -> None:
        """Add a document or a web page; without either, a form takes up to ten files."""
        name = SHARED if collection is None else parse_collection(collection)
        if not await self._visibility.can_manage(interaction, name):
            await send_ephemeral(interaction, NOT_MANAGEABLE)
        elif file is None and url is None:
            await interaction.response.send_modal(
                AddDocumentsModal(
                    self, name, interaction.client.components.create_modal_id(self.component_family, interaction)
                )
            )
        elif await defer(interaction, ephemeral=True):
            if url is not None:
                await self._add_page(interaction, name, url)
            if file is not None:
                await self.import_files(interaction, name, [file])

    @app_commands.command()
    @app_commands.describe(document="Which document")
    async def remove(self, interaction: discord.Interaction[Any], document: str) -> None:
        """Delete a document from the folder, after a confirmation."""
        if not await self._begin(interaction):
            return
        found = next(
            (each for each in await self._load_visible_documents(interaction) if each.document == document), None
        )
        if found is None:
            await send_ephemeral(interaction, UNKNOWN_DOCUMENT)
        elif not await self._visibility.can_manage(interaction, found.collection):
            await send_ephemeral(interaction, NOT_MANAGEABLE)
        else:
            view = ui.View(timeout=None)
            view.add_item(
                ui.Button(
                    style=discord.ButtonStyle.red,
                    label="Remove it",
                    custom_id=str(CustomId(self.component_family, _REMOVE, hash_document(document))),
                )
            )
            view.stop()
            text = f"Remove {escape_markdown(document)} ({escape_markdown(found.title)}) for good? Its file is deleted."
            await send_ephemeral(interaction, text, view=view)

    @list_documents.autocomplete("collection")
    @add.autocomplete("collection")
    async def _suggest_collections(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        """Suggest the collections that this admin may change."""
        names = [format_collection(name) for name in await self._visibility.manageable_collections(interaction)]
        return [app_commands.Choice(name=name, value=name) for name in names if typed.lower() in name.lower()][
            :_MAX_SUGGESTIONS
        ]

    @show.autocomplete("document")
    @remove.autocomplete("document")
    async def _suggest_documents(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        """Suggest documents whose path or title contains what was typed."""
        if not self._visibility.is_admin(interaction):
            return []
        wanted = typed.lower()
        found = [
            each
            for each in await self._load_visible_documents(interaction)
            # Discord takes no longer value, and a shortened one would name another document.
            if len(each.document) <= 100 and (wanted in each.document.lower() or wanted in each.title.lower())  # noqa: PLR2004
        ]
        return [
            app_commands.Choice(name=strip_invisible(each.document) or "–", value=each.document)
            for each in found[:_MAX_SUGGESTIONS]
        ]

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Turn to a page of the list, or remove a document after the confirmation."""
        if custom_id.action == _PAGE:
            await self._turn_page(interaction, custom_id.argument)
        elif custom_id.action == _REMOVE:
            await self._remove(interaction, custom_id.argument)
        else:
            await send_ephemeral(interaction, FORGED)

    async def import_files(
        self, interaction: discord.Interaction[Any], collection: str, files: Sequence[discord.Attachment]
    ) -> None:
        """Write files into a collection's folder, and report what happened to each."""
        added: list[str] = []
        rejected: dict[str, str] = {}
        for file in files[:MAX_FILES]:
            try:
                if file.size > MAX_FILE_BYTES:
                    rejected[file.filename] = f"larger than {MAX_FILE_BYTES // 2**20} MB"
                else:
                    added.append(await self._library.add(collection, file.filename, await file.read()))
            except DocentError as error:
                rejected[file.filename] = error.user_message
            except (discord.HTTPException, aiohttp.ClientError, OSError):
                rejected[file.filename] = "it could not be fetched from Discord"
        await self._audit(interaction, "docs add", {"collection": collection, "documents": list(added)})
        await send_ephemeral(interaction, format_import_result(added, rejected))

    async def can_import(self, interaction: discord.Interaction[Any], collection: str) -> bool:
        """Return whether the person who sent a modal may still add to this collection."""
        return await self._visibility.can_manage(interaction, collection)

    async def _add_page(self, interaction: discord.Interaction[Any], collection: str, url: str) -> None:
        try:
            address = await self._library.add_page(collection, url.strip())
        except DocumentUnreadable as error:
            await send_ephemeral(interaction, format_import_result([], {url: error.user_message}))
            return
        await self._audit(interaction, "docs add", {"collection": collection, "page": address})
        await send_ephemeral(
            interaction, PAGE_ADDED.format(url=f"`{address}`", collection=format_collection(collection))
        )

    async def _begin(self, interaction: discord.Interaction[Any]) -> bool:
        """Acknowledge a command to its admin alone; False if that failed."""
        return await defer(interaction, ephemeral=True)

    async def _load_visible_documents(self, interaction: discord.Interaction[Any]) -> Sequence[DocumentInfo]:
        """Return the documents that this admin may see or change."""
        own = await self._visibility.scope_for_interaction(interaction, is_private=True)
        changeable = await self._visibility.manageable_collections(interaction)
        return await self._library.list_documents(Scope(own.collections | frozenset(changeable)))

    async def _build_page(
        self, interaction: discord.Interaction[Any], collection: str, number: int
    ) -> tuple[str, ui.View]:
        """Return one page of the list, with buttons to the next ones. ``collection`` is as shown, "" for all."""
        documents = [
            each
            for each in await self._load_visible_documents(interaction)
            if collection in {"", format_collection(each.collection)}
        ]
        last = max(0, (len(documents) - 1) // PER_PAGE)
        number = max(0, min(number, last))
        view = ui.View(timeout=None)
        for label, to in (("Back", number - 1), ("Next", number + 1)):
            button: ui.Button[ui.View] = ui.Button(
                label=label,
                custom_id=str(CustomId(self.component_family, _PAGE, f"{to}:{collection}")),
                disabled=not 0 <= to <= last,
            )
            view.add_item(button)
        view.stop()
        return format_page(documents, number, last), view if last else ui.View(timeout=0)

    async def _turn_page(self, interaction: discord.Interaction[Any], position: str) -> None:
        number, _, collection = position.partition(":")
        if not re.fullmatch(r"-?[0-9]{1,6}", number):
            await send_ephemeral(interaction, FORGED)
            return
        text, view = await self._build_page(interaction, collection, int(number))
        await edit_clicked_message(interaction, text, view)

    async def _remove(self, interaction: discord.Interaction[Any], document_hash: str) -> None:
        found = next(
            (
                each
                for each in await self._load_visible_documents(interaction)
                if hash_document(each.document) == document_hash
            ),
            None,
        )
        if found is None:
            await send_ephemeral(interaction, UNKNOWN_DOCUMENT)
        elif not await self._visibility.can_manage(interaction, found.collection):
            await send_ephemeral(interaction, NOT_MANAGEABLE)
        else:
            is_gone = await self._library.remove(found.document)
            if is_gone:
                await self._audit(interaction, "docs remove", {"document": found.document})
            text = (REMOVED if is_gone else FROM_PAGE_LIST).format(name=escape_markdown(found.document))
            await edit_clicked_message(interaction, text, None)

    async def _audit(self, interaction: discord.Interaction[Any], action: str, details: dict[str, Any]) -> None:
        act = AuditEntry(self._clock(), interaction.guild_id, interaction.user.id, action, details)
        with suppress(RecordsUnusable):
            await self._records.save_audit_entry(act)


class AddDocumentsModal(Modal, title="Add documents"):
    """A modal that takes up to ten files for one collection."""

    def __init__(self, docs: Docs, collection: str, custom_id: str) -> None:
        super().__init__(custom_id=custom_id)
        self._docs = docs
        self._collection = collection
        self._files: ui.FileUpload[AddDocumentsModal] = ui.FileUpload(
            custom_id="files", min_values=1, max_values=MAX_FILES
        )
        self.add_item(ui.Label(text=f"Documents for {format_collection(collection)}"[:45], component=self._files))

    async def submit(self, interaction: discord.Interaction[Any]) -> None:
        """Take them in, if the one who sends the form still may."""
        if not await self._docs.can_import(interaction, self._collection):
            await send_ephemeral(interaction, NOT_MANAGEABLE)
        elif await defer(interaction, ephemeral=True):
            await self._docs.import_files(interaction, self._collection, self._files.values)


def hash_document(document: str) -> str:
    """Return a hash of a document's name, short enough for a custom id; the same after a restart."""
    return hashlib.sha256(document.encode("utf-8", "replace")).hexdigest()[:24]
