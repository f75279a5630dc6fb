"""What permissions come to in words: every one that is asked for has its price."""

from __future__ import annotations

import discord

from bot.doctor.permissions import PERMISSION_USES, REQUIRED_PERMISSIONS, build_invite_link, find_excess_permissions


def test_every_permission_of_the_invite_link_has_a_documented_use() -> None:
    asked = {flag for flag, is_asked in discord.Permissions(REQUIRED_PERMISSIONS) if is_asked}
    assert asked <= {use.flag for use in PERMISSION_USES if use.consequence}


def test_invite_link_requests_no_dangerous_permission() -> None:
    assert find_excess_permissions(discord.Permissions(REQUIRED_PERMISSIONS)) == []
    assert build_invite_link("42").endswith(
        f"client_id=42&scope=bot%20applications.commands&permissions={REQUIRED_PERMISSIONS}"
    )
