"""Addresses that lead into a private network, given to /docs add: refused in a sentence, and nobody calls there."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from bot.knowledge.sources.web import addresses, fetcher
from bot.knowledge.sources.web.fetcher import FetchLimits, NetworkPolicy, _resolve_host
from bot.settings import list_setting_names
from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion
from tests.reference_markdown import possible_links

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from bot.simulator.message_drafts import Attachment
    from bot.simulator.world import Message
    from tests.fakes.deployment import Deployment

LOOPBACK: Final = "127.0.0.1"

HOSTS: Final = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0x7F.1",
    "0",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "127.0.0.2",
    "127.255.255.254",
    "localhost",
    "LOCALHOST.",
    "docs.localhost",
    "localhost.localdomain.local",
    "router",
    "printer.local",
    "metadata.google.internal",
    "nas.home.arpa",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fd00:ec2::254]",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021",
    "\uff11\uff12\uff17.0.0.1",
    "loc\u00adalhost",
    "127.0.0.1%00.example.com",
    "127.0.0.1%2eexample.com",
]
"""Each names this machine, or another that is nobody's business; behind it comes the trap's port."""

URL_TEMPLATES: Final = [
    "http://docs.example.com@{trap}/",
    "http://ada:secret@{trap}/",
    "http://ada@docs.example.com/",
    "http://{trap}\\@docs.example.com/",
    "http://{trap}#@docs.example.com/",
    "http://{trap}%23@docs.example.com/",
    "http:///{trap}/",
    "//{trap}/",
    "{trap}",
    "file:///etc/passwd",
    "file://{trap}/etc/passwd",
    "gopher://{trap}/_GET",
    "ftp://{trap}/",
    "dict://{trap}/info",
    "data:text/html,<p>Hello",
    "javascript:alert(1)",
    "jar:http://{trap}!/",
    "https://docs.example.com:22/",
    "https://docs.example.com:6379/",
    "http://[::1/",
    "http://docs.example.com/\r\nHost: {trap}",
    "http://docs.example.com http://{trap}/",
]
"""Others than by their host alone."""

REFUSAL_REASON: Final = re.compile(r"✗ .+: not (?:a web address|fetched: (?:its host is|only|the address|port) .+).*")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


@dataclass
class Trap:
    """Listens on this machine, and remembers who called; ``site`` is a page beside it that sends callers on."""

    port: int = 0
    site_port: int = 0
    calls: list[str] = field(default_factory=list[str])
    site_calls: int = 0
    redirect_targets: tuple[str, ...] = ()

    async def record_call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls.append(str(writer.get_extra_info("sockname")))
        await self._answer(reader, writer, "200 OK\r\nContent-Type: text/plain")

    async def serve_site(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The site has no robots.txt, and each of its numbered pages leads on to another place."""
        self.site_calls += 1
        line = (await reader.readline()).decode()
        page = re.search(r" /(\d+) ", line)
        status = f"302 Found\r\nLocation: {self.redirect_targets[int(page[1])]}" if page else "404 Not Found"
        await self._answer(reader, writer, status)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str) -> None:
        while (await reader.readline()).strip():
            pass
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def open_trap(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Trap]:
    """A trap whose port is one of web pages, beside a site that counts as public: its name is docs.example.com."""
    trap = Trap()
    caught = await asyncio.start_server(trap.record_call, LOOPBACK, 0)
    site = await asyncio.start_server(trap.serve_site, LOOPBACK, 0)
    trap.port, trap.site_port = (server.sockets[0].getsockname()[1] for server in (caught, site))
    ports = frozenset({80, 443, trap.port, trap.site_port})
    monkeypatch.setattr(addresses, "PORTS", ports)
    monkeypatch.setattr(fetcher, "PORTS", ports)
    is_open = NetworkPolicy.allows

    def is_open_or_site(reach: NetworkPolicy, address: str, port: int) -> bool:
        return (address, port) == (LOOPBACK, trap.site_port) or is_open(reach, address, port)

    async def resolve(host: str) -> list[str]:
        return [LOOPBACK] if host.endswith(".example.com") else await _resolve_host(host)

    monkeypatch.setattr(fetcher, "FetchLimits", partial(FetchLimits, pause=0))
    monkeypatch.setattr(NetworkPolicy, "allows", is_open_or_site)
    monkeypatch.setattr(fetcher, "_resolve_host", resolve)
    async with caught, site:
        yield trap


def list_forbidden_urls(trap: Trap) -> list[str]:
    """Every address that must not be asked."""
    own = f"{LOOPBACK}:{trap.port}"
    return [f"http://{host}:{trap.port}/secret" for host in HOSTS] + [
        each.replace("{trap}", own) for each in URL_TEMPLATES
    ]


async def run_command(bot: Deployment, command: str, **options: object) -> Message:
    """The message that Mia has been told something with in the end, when she used a command."""
    world = bot.simulator.world
    general, mia = world.find_channel("general").id, world.find_user("Mia").id
    asked = world.people.use_command(general, mia, command, options)

    def find_responses() -> list[Message]:
        found = [m for m in world.messages.values() if m.interaction_id == asked.id and m.current_state.content]
        return [message for message in found if command != "reindex" or "Done in" in message.current_state.content]

    await bot.wait_until(lambda: bool(find_responses()))
    return find_responses()[0]


async def fetch_failures(bot: Deployment) -> str:
    """What could not be read in a run, with the reasons, as Mia gets it for a file."""
    world = bot.simulator.world
    run = await run_command(bot, "reindex")
    (button,) = [
        each
        for row in run.current_state.components
        for each in row["components"]
        if "reindex:failures:" in each["custom_id"]
    ]
    pressed = world.people.press(run.id, button["custom_id"], world.find_user("Mia").id)

    def find_files() -> list[Attachment]:
        return [
            file
            for m in world.messages.values()
            if m.interaction_id == pressed.id
            for file in m.current_state.attachments
        ]

    await bot.wait_until(lambda: bool(find_files()))
    return find_files()[0].content.decode()


async def test_trap_server_records_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_trap(monkeypatch) as trap:
        async with aiohttp.ClientSession() as session, session.get(f"http://localhost:{trap.port}/"):
            pass
        assert len(trap.calls) == 1


async def test_private_network_addresses_are_refused_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_trap(monkeypatch) as trap, deploy(tmp_path, make_completion("."), embed_model="none") as bot:
        said = {
            address: (await run_command(bot, "docs add", url=address)).current_state.content
            for address in list_forbidden_urls(trap)
        }
        assert not list(bot.settings.data_dir.rglob("urls.txt"))
    assert trap.calls == []
    assert {address: words for address, words in said.items() if not REFUSAL_REASON.fullmatch(words)} == {}
    assert [words for words in said.values() if possible_links(words)] == []


async def test_private_addresses_written_into_the_url_list_are_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_trap(monkeypatch) as trap, deploy(tmp_path, make_completion("."), embed_model="none") as bot:
        lines = [address.replace("\r\n", " ") for address in list_forbidden_urls(trap)]
        (bot.settings.data_dir / "urls.txt").write_text("\n".join(lines), encoding="utf-8")
        listed = await fetch_failures(bot)
        wanted = addresses.parse_url_list("\n".join(lines))
    assert trap.calls == []
    assert len(wanted) > 60
    assert len(listed.splitlines()) == len(wanted)


async def test_a_public_name_or_page_that_leads_into_a_private_network_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_trap(monkeypatch) as trap, deploy(tmp_path, make_completion("."), embed_model="none") as bot:
        trap.redirect_targets = tuple(
            address for address in list_forbidden_urls(trap) if "\r" not in address and address.isascii()
        )
        rebound = f"http://rebound.example.com:{trap.port}/"
        assert "on the list" in (await run_command(bot, "docs add", url=rebound)).current_state.content
        site = f"http://docs.example.com:{trap.site_port}"
        assert "on the list" in (await run_command(bot, "docs add", url=f"{site}/0")).current_state.content
        with (bot.settings.data_dir / "urls.txt").open("a") as lines:
            lines.writelines(f"{site}/{number}\n" for number in range(1, len(trap.redirect_targets)))
        listed = await fetch_failures(bot)
    assert trap.calls == []
    assert trap.site_calls > len(trap.redirect_targets)
    assert len(listed.splitlines()) == len(trap.redirect_targets) + 1
