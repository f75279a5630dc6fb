"""What a browser asks for: a request's body read, and refused in one sentence where it makes no sense."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.simulator.message_drafts import Json

BODY_LIMIT = 64 * 1024
"""Largest request that holds no file, in bytes."""

TEXT_LIMIT = 4_000
"""Longest text a person may send, in characters; the bot's own limit is below, so that its refusal can be seen."""


def bad_request(message: str) -> web.HTTPBadRequest:
    """The refusal of a request that makes no sense."""
    return web.HTTPBadRequest(text=message)


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of one request."""

    data: Json

    @classmethod
    async def read(cls, request: web.Request) -> RequestBody:
        """The body, if it is a JSON object of bearable size."""
        raw = await request.read()
        if len(raw) > BODY_LIMIT:
            raise web.HTTPRequestEntityTooLarge(BODY_LIMIT, len(raw))
        try:
            body: object = json.loads(raw)
        except ValueError as error:
            raise bad_request("The request is not JSON.") from error
        if not isinstance(body, dict):
            raise bad_request("The request is not a JSON object.")
        return cls(cast("Json", body))

    def has(self, name: str) -> bool:
        """Whether the body has this part at all."""
        return bool(self.data.get(name))

    def get_id(self, name: str) -> int:
        """An id."""
        given: object = self.data.get(name)
        if not isinstance(given, str) or not given.isascii() or not given.isdigit():
            raise bad_request(f"“{name}” is not an id.")
        return int(given[:20])

    def get_text(self, name: str) -> str:
        """Text that says something."""
        text: object = self.data.get(name)
        if not isinstance(text, str) or not text.strip():
            raise bad_request(f"Write something first: “{name}” is empty.")
        if len(text) > TEXT_LIMIT:
            raise bad_request(f"That is {len(text):,} characters; {TEXT_LIMIT:,} is the most.")
        return text

    def get_texts(self, name: str) -> list[str]:
        """A list of texts; none where there is none."""
        given: object = self.data.get(name, [])
        if not isinstance(given, list):
            raise bad_request(f"“{name}” is not a list.")
        return [str(one)[:TEXT_LIMIT] for one in cast("list[object]", given)]

    def get_values(self, name: str) -> dict[str, object]:
        """What was filled in, by name: texts, numbers, claims, and lists of texts."""
        return {str(key): _clean_value(value) for key, value in self._get_object(name).items()}

    def get_lists(self, name: str) -> dict[str, list[str]]:
        """Lists of texts, by name."""
        return {str(key): RequestBody({name: value}).get_texts(name) for key, value in self._get_object(name).items()}

    def _get_object(self, name: str) -> Mapping[object, object]:
        given: object = self.data.get(name, {})
        if not isinstance(given, dict):
            raise bad_request(f"“{name}” is not an object.")
        return cast("dict[object, object]", given)


def _clean_value(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return [str(one)[:TEXT_LIMIT] for one in cast("list[object]", value)]
    return str(value)[:TEXT_LIMIT]
