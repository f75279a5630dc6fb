"""/docs: admins look at the documents, add to them and take from them, in the collections that are theirs."""

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

from bot.admin.document_list import PER_PAGE, described, paged, taken_in
from bot.discord_adapter import deferred
from bot.discord_adapter.client import whisper
from bot.discord_adapter.components import FORGED, LEFT_OPEN, Forms, answering, clicked
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.domain import SHARED, Scope
from bot.domain.collection_names import named, shown
from bot.errors import DocentError, DocumentUnreadable, RecordsUnusable
from bot.records import Act
from bot.text.citations import escaped
from bot.text.invisible import seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.answers.service import Asking
    from bot.discord_adapter.visibility import Visibility
    from bot.domain import Library, Shelved
    from bot.records import Records

_log = logging.getLogger(__name__)

MOST = 10
"""Files that one form takes."""
LARGEST = 50 * 2**20
"""Bytes of the largest file that is taken in: what the readers take."""

NOT_YOURS = "You may change only collections that are this server's alone."
UNKNOWN = "There is no such document that you may see."
REMOVED = "{name} is no longer in the folder. It is found until the next /reindex."
ON_A_LIST = "{name} was found through a list of pages that names it only as part of a site; edit that list instead."
ADDED_PAGE = "{url} is on the list of {collection}. It is read with the next /reindex."

_PAGE, _REMOVE = "docs:page:", "docs:remove:"
_OFFERED = 25


@app_commands.default_permissions(manage_guild=True)
class Docs(commands.GroupCog, group_name="docs", group_description="The documents that answers are drawn from"):
    """What admins do with documents. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        asking: Asking,
        library: Library,
        records: Records,
        visibility: Visibility,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._asking = asking
        self._library = library
        self._records = records
        self._visibility = visibility
        self._clock = clock
        self._forms = Forms("docs:form")

    @app_commands.command(name="list")
    @app_commands.describe(collection="These documents alone")
    async def catalogue(self, interaction: discord.Interaction[Any], collection: str | None = None) -> None:
        """The documents that are searched, with their dates and passages."""
        if await self._begun(interaction):
            text, view = await self._page(interaction, "" if collection is None else shown(named(collection)), 0)
            await interaction.followup.send(text, view=view, ephemeral=True, suppress_embeds=True)

    @app_commands.command()
    @app_commands.describe(document="Which one")
    async def show(self, interaction: discord.Interaction[Any], document: str) -> None:
        """One document: its title, where it lives, how old it is."""
        if await self._begun(interaction):
            found = next((each for each in await self._shelved(interaction) if each.document == document), None)
            await whisper(interaction, UNKNOWN if found is None else described(found))

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
        if not self._asking.is_new(interaction.id):
            return
        name = SHARED if collection is None else named(collection)
        if not self._visibility.is_admin(interaction):
            await whisper(interaction, FOR_ADMINS)
        elif not await self._visibility.may_change(interaction, name):
            await whisper(interaction, NOT_YOURS)
        elif file is None and url is None:
            await interaction.response.send_modal(Form(self, name, self._forms.named(interaction)))
        elif await deferred(interaction, ephemeral=True):
            if url is not None:
                await self._add_page(interaction, name, url)
            if file is not None:
                await self.take_in(interaction, name, [file])

    @app_commands.command()
    @app_commands.describe(document="Which one")
    async def remove(self, interaction: discord.Interaction[Any], document: str) -> None:
        """Take a document out of the folder; asks first."""
        if not await self._begun(interaction):
            return
        found = next((each for each in await self._shelved(interaction) if each.document == document), None)
        if found is None:
            await whisper(interaction, UNKNOWN)
        elif not await self._visibility.may_change(interaction, found.collection):
            await whisper(interaction, NOT_YOURS)
        else:
            view = ui.View(timeout=None)
            view.add_item(
                ui.Button(style=discord.ButtonStyle.red, label="Remove it", custom_id=_REMOVE + digest(document))
            )
            view.stop()
            words = f"Remove {escaped(document)} ({escaped(found.title)}) for good? Its file is deleted."
            await interaction.followup.send(words, view=view, ephemeral=True, suppress_embeds=True)

    @catalogue.autocomplete("collection")
    @add.autocomplete("collection")
    async def _suggest_collections(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        """The collections that this admin looks after."""
        names = [shown(name) for name in await self._visibility.changeable(interaction)]
        return [app_commands.Choice(name=name, value=name) for name in names if typed.lower() in name.lower()][
            :_OFFERED
        ]

    @show.autocomplete("document")
    @remove.autocomplete("document")
    async def _suggest_documents(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        """Documents whose path or title holds what was typed."""
        if not self._visibility.is_admin(interaction):
            return []
        wanted = typed.lower()
        found = [
            each
            for each in await self._shelved(interaction)
            # Discord takes no longer value, and a shortened one would name another document.
            if len(each.document) <= 100 and (wanted in each.document.lower() or wanted in each.title.lower())  # noqa: PLR2004
        ]
        return [app_commands.Choice(name=seen(each.document) or "–", value=each.document) for each in found[:_OFFERED]]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take the buttons below lists and questions, each judged anew, and forms that a restart left open."""
        name = clicked(interaction)
        if self._forms.is_left_open(name) and self._asking.is_new(interaction.id):
            await whisper(interaction, LEFT_OPEN)
        if not name.startswith((_PAGE, _REMOVE)) or not self._asking.is_new(interaction.id):
            return
        async with answering(interaction):
            if not self._visibility.is_admin(interaction):
                await whisper(interaction, FOR_ADMINS)
            elif name.startswith(_PAGE):
                await self._turn_page(interaction, name.removeprefix(_PAGE))
            else:
                await self._remove(interaction, name.removeprefix(_REMOVE))

    async def take_in(
        self, interaction: discord.Interaction[Any], collection: str, files: Sequence[discord.Attachment]
    ) -> None:
        """Put files into a collection's folder, and say what became of each."""
        added: list[str] = []
        refused: dict[str, str] = {}
        for file in files[:MOST]:
            try:
                if file.size > LARGEST:
                    refused[file.filename] = f"larger than {LARGEST // 2**20} MB"
                else:
                    added.append(await self._library.add(collection, file.filename, await file.read()))
            except DocentError as error:
                refused[file.filename] = error.words
            except (discord.HTTPException, aiohttp.ClientError, OSError):
                refused[file.filename] = "it could not be fetched from Discord"
        await self._audit(interaction, "docs add", {"collection": collection, "documents": list(added)})
        await whisper(interaction, taken_in(added, refused))

    async def may_take_in(self, interaction: discord.Interaction[Any], collection: str) -> bool:
        """Whether whoever sent a form may add to this collection, now that it has come."""
        return await self._visibility.may_change(interaction, collection)

    async def _add_page(self, interaction: discord.Interaction[Any], collection: str, url: str) -> None:
        try:
            written = await self._library.add_page(collection, url.strip())
        except DocumentUnreadable as error:
            await whisper(interaction, taken_in([], {url: error.words}))
            return
        await self._audit(interaction, "docs add", {"collection": collection, "page": written})
        await whisper(interaction, ADDED_PAGE.format(url=f"`{written}`", collection=shown(collection)))

    async def _begun(self, interaction: discord.Interaction[Any]) -> bool:
        """Whether this is a new command of an admin's, acknowledged to them alone."""
        if not self._asking.is_new(interaction.id):
            return False
        if not self._visibility.is_admin(interaction):
            await whisper(interaction, FOR_ADMINS)
            return False
        return await deferred(interaction, ephemeral=True)

    async def _shelved(self, interaction: discord.Interaction[Any]) -> Sequence[Shelved]:
        """The documents that this admin may see, as themselves or as who looks after them."""
        own = await self._visibility.told(interaction, is_private=True)
        changeable = await self._visibility.changeable(interaction)
        return await self._library.shelved(Scope(own.collections | frozenset(changeable)))

    async def _page(self, interaction: discord.Interaction[Any], collection: str, number: int) -> tuple[str, ui.View]:
        """One page of the list, with buttons to the ones beside it. ``collection`` is as shown, "" for all."""
        documents = [each for each in await self._shelved(interaction) if collection in {"", shown(each.collection)}]
        last = max(0, (len(documents) - 1) // PER_PAGE)
        number = max(0, min(number, last))
        view = ui.View(timeout=None)
        for label, to in (("Back", number - 1), ("Next", number + 1)):
            button: ui.Button[ui.View] = ui.Button(
                label=label, custom_id=f"{_PAGE}{to}:{collection}", disabled=not 0 <= to <= last
            )
            view.add_item(button)
        view.stop()
        return paged(documents, number, last), view if last else ui.View(timeout=0)

    async def _turn_page(self, interaction: discord.Interaction[Any], rest: str) -> None:
        number, _, collection = rest.partition(":")
        if not re.fullmatch(r"-?[0-9]{1,6}", number):
            await whisper(interaction, FORGED)
            return
        text, view = await self._page(interaction, collection, int(number))
        await interaction.response.edit_message(content=text, view=view, suppress_embeds=True)

    async def _remove(self, interaction: discord.Interaction[Any], name: str) -> None:
        found = next((each for each in await self._shelved(interaction) if digest(each.document) == name), None)
        if found is None:
            await whisper(interaction, UNKNOWN)
        elif not await self._visibility.may_change(interaction, found.collection):
            await whisper(interaction, NOT_YOURS)
        else:
            is_gone = await self._library.remove(found.document)
            if is_gone:
                await self._audit(interaction, "docs remove", {"document": found.document})
            words = (REMOVED if is_gone else ON_A_LIST).format(name=escaped(found.document))
            await interaction.response.edit_message(content=words, view=None, suppress_embeds=True)

    async def _audit(self, interaction: discord.Interaction[Any], name: str, details: dict[str, Any]) -> None:
        act = Act(self._clock(), interaction.guild_id, interaction.user.id, name, details)
        with suppress(RecordsUnusable):
            await self._records.audit(act)


class Form(ui.Modal, title="Add documents"):
    """Up to ten files for one collection."""

    def __init__(self, docs: Docs, collection: str, name: str) -> None:
        super().__init__(custom_id=name)
        self._docs = docs
        self._collection = collection
        self._files: ui.FileUpload[Form] = ui.FileUpload(custom_id="files", min_values=1, max_values=MOST)
        self.add_item(ui.Label(text=f"Documents for {shown(collection)}"[:45], component=self._files))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Take them in, if the one who sends the form still may."""
        if not await self._docs.may_take_in(interaction, self._collection):
            await whisper(interaction, NOT_YOURS)
        elif await deferred(interaction, ephemeral=True):
            await self._docs.take_in(interaction, self._collection, self._files.values)


def digest(document: str) -> str:
    """A document's name short enough for a button; the same after a restart."""
    return hashlib.sha256(document.encode("utf-8", "replace")).hexdigest()[:24]
