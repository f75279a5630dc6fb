"""A browser on the preview's page, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp import ClientSession

    from bot.simulator.world import User, World

TOKEN = "the-key-to-the-page"


class Browser:
    """What a browser on this page does, over real HTTP."""

    def __init__(self, session: ClientSession, url: str, world: World, viewer: User | None = None) -> None:
        self.session = session
        self.viewer = str(viewer.id) if viewer else ""
        self.home_url = URL(url)
        self.world = world
        self.channel = str(world.find_channel("general").id)

    @property
    def origin(self) -> str:
        return str(self.home_url.origin())

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.home_url.join(URL(path)), headers=headers) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: object, **header_overrides: str | None) -> tuple[int, str]:
        given = {"Origin": self.origin, "X-Preview-Key": TOKEN, "X-Preview-As": self.viewer} | {
            k.replace("_", "-"): v for k, v in header_overrides.items()
        }
        headers = {name: value for name, value in given.items() if value is not None}
        async with self.session.post(self.home_url.join(URL(path)), json=body, headers=headers) as response:
            return response.status, await response.text()

    def become(self, viewer: User) -> Browser:
        """The same browser, as another member."""
        return Browser(self.session, str(self.home_url), self.world, viewer)

    async def upload_file(self, name: str, content: bytes) -> str:
        """Hand a file over; its id."""
        path = URL("/hold").with_query(name=name)
        headers = {"Origin": self.origin, "X-Preview-Key": TOKEN, "X-Preview-As": self.viewer}
        async with self.session.post(self.home_url.join(path), data=content, headers=headers) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["id"])

    @asynccontextmanager
    async def events(self) -> AsyncGenerator[Events, None]:
        async with self.session.get(self.home_url.join(URL(f"/events?key={TOKEN}&as={self.viewer}"))) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            yield Events(response.content)


class Events:
    """The stream of events, read one at a time."""

    def __init__(self, content: asyncio.StreamReader | Any) -> None:
        self._content = content

    async def next(self, kind: str | None = None) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while True:
                line = (await self._content.readline()).decode()
                if not line.startswith("data: "):
                    continue
                told: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if kind in {None, told["type"]}:
                    return told
