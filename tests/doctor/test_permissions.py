"""What permissions come to in words: every one that is asked for has its price."""

from __future__ import annotations

import discord

from bot.doctor.permissions import PERMISSIONS, USES, invite_link, surplus


def test_whatever_the_invite_link_asks_for_has_a_use_that_is_said() -> None:
    asked = {flag for flag, is_asked in discord.Permissions(PERMISSIONS) if is_asked}
    assert asked <= {use.flag for use in USES if use.cost}


def test_the_invite_link_asks_for_nothing_that_could_do_harm() -> None:
    assert surplus(discord.Permissions(PERMISSIONS)) == []
    assert invite_link("42").endswith(f"client_id=42&scope=bot%20applications.commands&permissions={PERMISSIONS}")
