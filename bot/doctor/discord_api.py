"""Sends one HTTP request to a server and returns the status and the JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.proxies import Proxies

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
UNAUTHORISED: Final = {401, 403}


async def fetch_json(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], *, proxies: Proxies
) -> tuple[int | None, dict[str, Any]]:
    """Return the status and JSON object at ``url``; (None, {}) if it cannot be reached. No redirect is followed."""
    try:
        async with session.get(url, headers=headers, allow_redirects=False, proxy=proxies.find(url)) as response:
            body: object = await response.json(content_type=None) if response.content_length != 0 else {}
            return response.status, cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    except ValueError:
        return 200, {}
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None, {}


def host_of(url: str) -> str:
    """Return the host of an address, with its port if that is not the default one."""
    return httpx.URL(url).netloc.decode()
