"""Which requests go through the operator's proxy."""

from __future__ import annotations

import pytest

from bot.domain.proxies import Proxies
from bot.errors import SettingsInvalid
from bot.settings import load

HTTP, HTTPS = "http://plain.example.com:3128", "http://ada:secret@secure.example.com:3129"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", HTTPS),
        ("wss://gateway.discord.gg/", HTTPS),
        ("http://docs.example.com/", HTTP),
        ("ws://docs.example.com/", HTTP),
        ("https://93.184.216.34/", HTTPS),
        ("http://127.0.0.1:11434/v1", None),
        ("http://localhost:11434/v1", None),
        ("http://[::1]:11434/v1", None),
        ("http://10.1.2.3/v1", None),
        ("http://192.168.0.7:8000/v1", None),
        ("http://[fd00::1]/v1", None),
        ("http://100.64.0.1/v1", None),
        ("http://ollama:11434/v1", None),
        ("http://host.docker.internal:11434/v1", None),
        ("https://models.lan/v1", None),
        ("https://wiki.corp.example/", None),
        ("https://corp.example/", None),
        ("https://notcorp.example/", HTTPS),
        ("https://models.other.example:8443/v1", None),
        ("https://models.other.example/v1", HTTPS),
        ("https://93.184.217.1/", None),
    ],
)
def test_proxy_of_a_request(url: str, expected: str | None) -> None:
    exceptions = (".corp.example", "models.other.example:8443", "93.184.217.0/24")
    assert Proxies(HTTP, HTTPS, exceptions).find(url) == expected


def test_asterisk_excepts_every_host() -> None:
    assert Proxies(HTTP, HTTPS, ("*",)).find("https://api.openai.com/v1") is None


def test_hosts_are_named_without_passwords() -> None:
    assert Proxies(HTTP, HTTPS).hosts == ("secure.example.com:3129", "plain.example.com:3128")
    assert "secret" not in repr(Proxies(HTTP, HTTPS))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_usual_variables_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", HTTPS)
    monkeypatch.setenv("ALL_PROXY", "plain.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "one.example, two.example")
    settings = load(None)
    assert settings.proxies == Proxies(HTTP, HTTPS, ("one.example", "two.example"))
    assert "secret" in settings.secrets
    assert "secret" not in repr(settings)


def test_other_kind_of_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(SettingsInvalid, match=r"ALL_PROXY is not the address of an HTTP proxy.*SOCKS"):
        load(None)


def test_discord_is_reached_directly_where_one_of_its_addresses_is_private() -> None:
    proxied = {"https_proxy": HTTPS}
    assert load(None, **proxied).discord_proxy == HTTPS
    assert load(None, **proxied, discord_api_url="http://127.0.0.1:8080/api/v10").discord_proxy is None
