"""What every test begins and ends with."""

from __future__ import annotations

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route


@pytest.fixture(autouse=True)
def _discord_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a test points discord.py, afterwards it points at Discord again."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
