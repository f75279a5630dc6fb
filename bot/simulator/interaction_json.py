"""An interaction as Discord writes it: who did what where, with everything that the ids in it stand for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.simulator.discord_json import ATTACHMENT_SIZE_LIMIT, LOCALE, DiscordSerializer, serialize_role
from bot.simulator.resolved_data import collect_resolved_ids
from bot.simulator.world import Channel, Guild, Interaction, MessageFlag, ResponseKind

if TYPE_CHECKING:
    from bot.simulator.message_drafts import Json
    from bot.simulator.world import World


@dataclass(frozen=True, slots=True)
class InteractionSerializer:
    """Writes the interactions of the world behind ``serializer``."""

    serializer: DiscordSerializer

    @property
    def world(self) -> World:
        """Where they happened."""
        return self.serializer.world

    def serialize_interaction(self, interaction: Interaction) -> Json:
        """An interaction as INTERACTION_CREATE carries it."""
        channel = self.world.channels[interaction.channel_id]
        bot_may = self.world.permissions_for(self.world.bot.id, channel)
        written: Json = {
            "id": str(interaction.id),
            "application_id": str(self.world.application_id),
            "type": int(interaction.kind),
            "token": interaction.token,
            "version": 1,
            "channel_id": str(channel.id),
            "channel": self.serializer.serialize_channel(channel)
            | {"permissions": str(int(self.world.permissions_for(interaction.user_id, channel)))},
            "app_permissions": str(int(bot_may)),
            "locale": LOCALE,
            "entitlements": [],
            "attachment_size_limit": ATTACHMENT_SIZE_LIMIT,
            "data": interaction.data | self._serialize_resolved(interaction),
        }
        if interaction.message_id is not None:
            written["message"] = self.serializer.serialize_message(self.world.messages[interaction.message_id])
        return written | self._location_fields(interaction, channel)

    def _location_fields(self, interaction: Interaction, channel: Channel) -> Json:
        if channel.guild_id is None:
            user = self.serializer.serialize_user(self.world.users[interaction.user_id])
            return {"user": user, "context": 1, "authorizing_integration_owners": {"0": "0"}}
        guild = self.world.guilds[channel.guild_id]
        may = self.world.permissions_for(interaction.user_id, channel)
        return {
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": LOCALE, "features": []},
            "guild_locale": LOCALE,
            "context": 0,
            "authorizing_integration_owners": {"0": str(guild.id)},
            "member": self.serializer.serialize_member(guild, interaction.user_id) | {"permissions": str(int(may))},
        }

    def _serialize_resolved(self, interaction: Interaction) -> Json:
        """What the ids in it stand for; a menu's message with its content whatever the intents."""
        named = collect_resolved_ids(interaction.data)
        channel = self.world.channels[interaction.channel_id]
        guild = self.world.guilds.get(channel.guild_id or 0)
        either = named.get("mentionables", [])
        users = [*named.get("users", []), *(one for one in either if one in self.world.users)]
        roles = [*named.get("roles", []), *(one for one in either if one not in self.world.users)]
        resolved: Json = {
            "users": {str(one): self.serializer.serialize_user(self.world.users[one]) for one in users},
            "members": {
                str(one): self._serialize_member(guild, channel, one) for one in users if guild and one in guild.members
            },
            "roles": {str(one): serialize_role(self.world.find_role(guild, one)) for one in roles if guild},
            "channels": {str(one): self._serialize_channel(interaction, one) for one in named.get("channels", [])},
            "attachments": {str(one): self._serialize_file(one) for one in named.get("attachments", [])},
            "messages": {
                str(one): self.serializer.serialize_message(self.world.messages[one])
                for one in named.get("messages", [])
            },
        }
        resolved = {what: found for what, found in resolved.items() if found}
        return {"resolved": resolved} if resolved else {}

    def _serialize_member(self, guild: Guild, channel: Channel, user_id: int) -> Json:
        """A member without what is written beside them."""
        left_out = {"user", "deaf", "mute"}
        member = {
            key: value for key, value in self.serializer.serialize_member(guild, user_id).items() if key not in left_out
        }
        return member | {"permissions": str(int(self.world.permissions_for(user_id, channel)))}

    def _serialize_channel(self, interaction: Interaction, channel_id: int) -> Json:
        channel = self.world.channels[channel_id]
        return self.serializer.serialize_channel(channel) | {
            "permissions": str(int(self.world.permissions_for(interaction.user_id, channel)))
        }

    def _serialize_file(self, file_id: int) -> Json:
        """A file that came with an interaction; Discord keeps it for a while only."""
        return self.serializer.serialize_attachment(self.world.uploads[file_id]) | {"ephemeral": True}

    def serialize_callback_response(self, interaction: Interaction) -> Json:
        """The reply to a first answer, where ``with_response`` asked for one."""
        original = self.world.messages.get(interaction.original_response_id or 0)
        about: Json = {"id": str(interaction.id), "type": int(interaction.kind)}
        written: Json = {"interaction": about}
        if original is not None:
            about |= {
                "response_message_id": str(original.id),
                "response_message_loading": original.current_state.is_thinking,
                "response_message_ephemeral": MessageFlag.EPHEMERAL in original.current_state.flags,
            }
            kind = interaction.response or ResponseKind.MESSAGE
            written["resource"] = {"type": int(kind), "message": self.serializer.serialize_message(original)}
        return written
