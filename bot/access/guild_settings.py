"""The settings that admins choose for their guild: parsed from text, stored as JSON, shown as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from bot.domain import ResponseStyle
from bot.errors import GuildSettingInvalid

if TYPE_CHECKING:
    from bot.access.budgets import Limits
    from bot.records import Json

MAX_TEXT_LENGTH: Final = 300
"""Characters of the longest language or tone."""

_MAX_NUMBER: Final = 1_000_000_000
_CHANNEL_MENTION = re.compile(r"<#(\d{1,20})>")
_ROLE_AMOUNT = re.compile(r"<@&(\d{1,20})>\s*[=:]?\s*(\d[\d,._]{0,14})")
_SWITCH = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def _parse_line(value: object) -> str:
    line = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(line) <= MAX_TEXT_LENGTH:
        raise ValueError(f"Write a line of at most {MAX_TEXT_LENGTH} characters.")
    return line


def _parse_switch(value: object) -> bool:
    found = value if isinstance(value, bool) else _SWITCH.get(str(value).strip().lower())
    if found is None:
        raise ValueError("Write yes or no.")
    return found


def _parse_amount(value: object) -> int:
    if isinstance(value, str):
        digits = re.sub(r"(?<=\d)[,._ ](?=\d)", "", value.strip())
        value = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_MAX_NUMBER)) else 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MAX_NUMBER:
        raise ValueError(f"Write a whole number from 1 to {_MAX_NUMBER:,}.")
    return value


def _parse_channels(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _CHANNEL_MENTION.findall(value)
    if not found or _CHANNEL_MENTION.sub("", value).strip(" ,\n"):
        raise ValueError("Mention channels, such as #general #help.")
    return found


def _parse_role_amounts(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _ROLE_AMOUNT.findall(value)
    if not found or _ROLE_AMOUNT.sub("", value).strip(" ,;\n"):
        raise ValueError("Mention roles with a number each, such as @staff 50000, @guests 2000.")
    return {role: amount.rstrip(",._") for role, amount in found}


def _dump_channels(channels: Collection[int]) -> list[str]:
    return [str(channel) for channel in sorted(channels)]


def _dump_role_amounts(amounts: Mapping[int, int]) -> dict[str, int]:
    return {str(role): amount for role, amount in sorted(amounts.items())}


_Line = Annotated[str, BeforeValidator(_parse_line)]
_Switch = Annotated[bool, BeforeValidator(_parse_switch)]
_Amount = Annotated[int, BeforeValidator(_parse_amount)]
# Ids are stored as text: other readers of JSON take large numbers for floats.
_ChannelMentions = Annotated[
    frozenset[Annotated[int, Field(ge=0)]], BeforeValidator(_parse_channels), PlainSerializer(_dump_channels)
]
_RoleAmounts = Annotated[
    dict[Annotated[int, Field(ge=0)], _Amount],
    BeforeValidator(_parse_role_amounts),
    PlainSerializer(_dump_role_amounts),
]


class GuildSettings(BaseModel):
    """One guild's settings; an unset one leaves the operator's choice. A field's description says what it is for."""

    model_config = ConfigDict(frozen=True)

    channels: _ChannelMentions = Field(default=frozenset(), description="where answers may appear; unset: everywhere")
    forums: _ChannelMentions = Field(
        default=frozenset(), description="forums and channels whose new posts the bot answers by itself"
    )
    language: _Line = Field(default="", description="language of the answers; unset: the question's own")
    tone: _Line = Field(default="", description="a line on how answers are written")
    threads: _Switch = Field(default=False, description="/ask opens a thread by itself")
    private: _Switch = Field(default=False, description="/ask answers the asker alone by itself")
    questions_per_minute: _Amount | None = Field(default=None, description="questions of one person within a minute")
    questions_by_role: _RoleAmounts = Field(default={}, description="the same for each person with a role")
    tokens_per_person: _Amount | None = Field(default=None, description="tokens a day for one person")
    tokens_by_role: _RoleAmounts = Field(default={}, description="tokens a day for each person with a role")
    tokens_per_server: _Amount | None = Field(default=None, description="tokens a day for this server")

    @property
    def style(self) -> ResponseStyle:
        """How answers are written here."""
        return ResponseStyle(self.language, self.tone)

    def limits_for(self, operator_limits: Limits, roles: Collection[int]) -> Limits:
        """Return a person's limits: of their roles' amounts the highest, never above the operator's."""
        return operator_limits.narrow(
            per_minute=_find_highest(self.questions_by_role, roles) or self.questions_per_minute,
            person_daily=_find_highest(self.tokens_by_role, roles) or self.tokens_per_person,
            guild_daily=self.tokens_per_server,
        )

    def allows(self, channels: Collection[int]) -> bool:
        """Return whether answers may appear in a channel, given its id and a thread's parent."""
        return not self.channels or not self.channels.isdisjoint(channels)

    def dump(self, name: str) -> Json:
        """Return a setting as it is stored."""
        stored: Json = self.model_dump(mode="json")[name]
        return stored

    def format(self, name: str) -> str:
        """Return a setting as text that ``parse_setting`` reads again; empty if it is not set."""
        value = getattr(self, name)
        if name not in self.model_fields_set or value is None:
            return ""
        if isinstance(value, frozenset):
            return " ".join(f"<#{channel}>" for channel in sorted(value))
        if isinstance(value, dict):
            return ", ".join(f"<@&{role}> {amount:,}" for role, amount in sorted(value.items()))
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:,}" if isinstance(value, int) else str(value)


SETTING_PURPOSES: Final[Mapping[str, str]] = {
    name: field.description or "" for name, field in GuildSettings.model_fields.items()
}
"""What each setting is for, by its name, in the order in which they are shown."""


def parse_guild_settings(stored: Mapping[str, Json]) -> GuildSettings:
    """Return the stored settings without those that are unknown or invalid in this version."""
    try:
        return GuildSettings.model_validate(stored)
    except ValidationError as error:
        invalid = {problem["loc"][0] for problem in error.errors(include_input=False, include_context=False)}
        return GuildSettings.model_validate({name: stored[name] for name in stored if name not in invalid})


def parse_setting(name: str, text: str) -> GuildSettings:
    """Return settings with just this one set, from what an admin typed.

    Raises:
        GuildSettingInvalid: there is no such setting, or it cannot have this value.
    """
    if name not in SETTING_PURPOSES:
        raise GuildSettingInvalid(f"There is no setting {name}. There are: {', '.join(SETTING_PURPOSES)}.")
    try:
        return GuildSettings.model_validate({name: text})
    except ValidationError as error:
        reason = error.errors(include_input=False)[0]
        raise GuildSettingInvalid(str(reason.get("ctx", {}).get("error", reason["msg"]))) from None


def _find_highest(by_role: Mapping[int, int], roles: Collection[int]) -> int | None:
    return max((by_role[role] for role in roles if role in by_role), default=None)
