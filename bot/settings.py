"""Reads the operator's settings once, from the environment and ``.env`` (the environment wins), then freezes them.

All problems are found in one go and reported as ``Problem``: which setting, what is wrong, what it should hold and
where to get it. Secrets are ``SecretStr``: no repr and no message shows a value. Each may be in a file instead, as
Docker and systemd provide them: ``DISCORD_TOKEN_FILE`` names the file that holds ``DISCORD_TOKEN``.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, Json, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.domain import QUESTION_LIMIT
from bot.domain.model_server import OPENAI_URL
from bot.domain.proxies import Proxies
from bot.errors import Problem, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic_core import ErrorDetails

ENV_FILE = Path(".env")

DEFAULT_MODEL = "gpt-4.1-mini"
DISCORD_API_URL = "https://discord.com/api/v10"
DISCORD_GATEWAY_URL = "wss://gateway.discord.gg/"
OPENAI_EMBEDDING = "text-embedding-3-small"
LOCAL_EMBEDDINGS = frozenset({"local", "multilingual"})
"""Values of EMBED_MODEL that send no text to a server."""


_ERROR_MESSAGES = {
    "int": "is not a whole number",
    "float": "is not a number",
    "bool": "is neither true nor false",
    "literal": "is not one of the allowed values",
    "json": "is not JSON",
    "dict": "is not a JSON object",
}
"""Messages by the first word of pydantic's error type."""


def _validate_web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ValueError("is not an http or https address")
    return value.rstrip("/")


def _validate_websocket_address(value: str) -> str:
    if not re.fullmatch(r"wss?://[^\s/?#@]+(/\S*)?", value):
        raise ValueError("is not a ws or wss address")
    return value


def _to_upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _to_lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _validate_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError("contains spaces or characters that no token has")
    return value


def _validate_database_address(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"postgresql\+asyncpg://[^\s/]*/[^\s/]+", value.get_secret_value()):
        raise ValueError("is not the address of a PostgreSQL database")
    return value


def _add_proxy_scheme(value: object) -> object:
    return f"http://{value}" if isinstance(value, str) and value and "://" not in value else value


def _validate_proxy_address(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"https?://[^\s/]+/?", value.get_secret_value()):
        raise ValueError("is not the address of an HTTP proxy")
    return value


def _validate_ids(value: str) -> str:
    if not all(part.strip().isdecimal() for part in value.split(",") if part.strip()):
        raise ValueError("is not a list of ids")
    return value


def _validate_shard_ids(value: str) -> str:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", part) for part in parts):
        raise ValueError("is not a list of shards")
    return value


Ids = Annotated[str, AfterValidator(_validate_ids)]
ShardIds = Annotated[str, AfterValidator(_validate_shard_ids)]
WebAddress = Annotated[str, AfterValidator(_validate_web_address)]
SocketAddress = Annotated[str, AfterValidator(_validate_websocket_address)]
Secret = Annotated[SecretStr, AfterValidator(_validate_token)]
ProxyAddress = Annotated[SecretStr, BeforeValidator(_add_proxy_scheme), AfterValidator(_validate_proxy_address)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_validate_database_address)]


def _count_concurrent_answers() -> int:
    """Return 12 for each core: one core writes 60 answers, and the searches before them need the others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 12 * max(1, min(cores, 4))


_STORE_KINDS = {"postgresql+asyncpg": ("PostgreSQL", "use pg_dump --schema=docent")}
"""Databases that can hold the index, by their address's scheme: what people call them, and how they are backed up."""


class Settings(BaseSettings):
    """The operator's settings. A field's name is its variable's name in lower case."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True, str_strip_whitespace=True
    )

    discord_token: Secret | None = Field(
        None, description="the bot's token: discord.com/developers/applications › your application › Bot › Reset Token"
    )
    openai_api_key: Secret | None = Field(
        None, description="the key of your OpenAI account (platform.openai.com/api-keys) or of your own server"
    )
    openai_base_url: WebAddress | None = Field(
        None, description="the address of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
    )
    llm_model: str = Field(DEFAULT_MODEL, description="the name of the model that writes, as its server calls it")
    llm_context_window: int | None = Field(
        None, ge=2_000, le=10_000_000, description="the number of tokens the model reads at most, such as 32768"
    )
    context_tokens: int = Field(
        8_000, ge=500, le=1_000_000, description="the number of tokens of passages that a model reads for an answer"
    )
    llm_vision: bool = Field(
        default=False,
        description="`true` if the model reads pictures, so that those at a question are sent to it",
    )
    llm_options: Json[dict[str, Any]] | None = Field(
        None, description='parameters added to every request to the model, as JSON, such as {"reasoning_effort": "low"}'
    )
    llm_headers: Json[dict[str, str]] | None = Field(
        None, repr=False, description='headers added to every request to the model, as JSON, such as {"X-Team": "docs"}'
    )
    llm_fallback_model: str | None = Field(
        None, description="the name of a model that is asked where the first fails before its first word"
    )
    llm_fallback_base_url: WebAddress | None = Field(
        None, description="the address of that model's server, where it is not OPENAI_BASE_URL"
    )
    llm_fallback_api_key: Secret | None = Field(
        None, description="the key for that server, where it is not OPENAI_API_KEY"
    )
    embed_model: str | None = Field(
        None,
        description="the name of an embedding model, or `local` (on this machine, English), "
        "or `multilingual` (likewise, for many languages), or `none` for keywords only",
    )
    embed_model_dir: Path | None = Field(
        None, description="a folder with the model.onnx and tokenizer.json of an embedding model for this machine"
    )
    embed_base_url: WebAddress | None = Field(
        None, description="the address of the server for embeddings, where it is not OPENAI_BASE_URL"
    )
    embed_api_key: Secret | None = Field(None, description="the key for that server, where it is not OPENAI_API_KEY")
    embed_options: Json[dict[str, Any]] | None = Field(
        None, description='parameters added to every request for embeddings, as JSON, such as {"dimensions": 512}'
    )
    embed_headers: Json[dict[str, str]] | None = Field(
        None,
        repr=False,
        description='headers added to every request for embeddings, as JSON, such as {"X-Team": "docs"}',
    )
    rerank_url: WebAddress | None = Field(
        None, description="the address of a rerank server's request, such as http://127.0.0.1:8012/v1/rerank"
    )
    rerank_model: str | None = Field(None, description="the name of the rerank model, where the server has several")
    rerank_api_key: Secret | None = Field(None, description="the key for the rerank server")
    data_dir: Path = Field(Path("data/documents"), description="the folder that holds the documents")
    state_dir: Path = Field(Path("data/state"), description="a folder the bot may write its index to")
    store_url: DatabaseAddress | None = Field(
        None, description="a PostgreSQL database for the index: postgresql+asyncpg://user:password@host/database"
    )
    records_url: DatabaseAddress | None = Field(
        None, description="a PostgreSQL database for the records: postgresql+asyncpg://user:password@host/database"
    )
    remember_days: int = Field(
        30, ge=1, le=3650, description="the number of days that questions, answers and votes are remembered"
    )
    remember_questions: bool = Field(
        default=True, description="`true` to keep the words of questions and answers, `false` for figures alone"
    )
    admin_users: Ids = Field("", description="the ids of those who run the bot, separated by commas")
    admin_roles: Ids = Field(
        "", description="the ids of roles that may use the commands for admins, separated by commas"
    )
    question_characters: int = Field(
        QUESTION_LIMIT, ge=1, le=QUESTION_LIMIT, description="the number of characters a question has at most"
    )
    answer_tokens: int = Field(
        1_024, ge=64, le=100_000, description="the number of tokens that the model writes at most in an answer"
    )
    questions_per_minute: int = Field(
        10, ge=0, le=1_000, description="the number of questions of one person within a minute; 0 for any"
    )
    server_questions_per_minute: int = Field(
        0, ge=0, le=100_000, description="the number of questions in one server within a minute; 0 for any"
    )
    total_questions_per_minute: int = Field(
        0, ge=0, le=100_000, description="the number of all questions within a minute; 0 for any"
    )
    answers_per_person: int = Field(
        3, ge=0, le=200, description="the number of answers of one person under way at the same time; 0 for any"
    )
    answers_per_server: int = Field(
        0, ge=0, le=200, description="the number of answers in one server under way at the same time; 0 for any"
    )
    files_per_person: int = Field(
        1,
        ge=0,
        le=100,
        description="the number of questions of one person that have files read at the same time; 0 for any",
    )
    files_per_server: int = Field(
        2,
        ge=0,
        le=100,
        description="the number of questions in one server that have files read at the same time; 0 for any",
    )
    tokens_per_person: int = Field(0, ge=0, description="the number of tokens a day for one person; 0 for any")
    tokens_per_server: int = Field(0, ge=0, description="the number of tokens a day for one server; 0 for any")
    tokens_per_day: int = Field(0, ge=0, description="the number of tokens a day for everybody together; 0 for any")
    embed_tokens_per_run: int = Field(
        0, ge=0, description="the number of tokens that one reading of the documents may embed; 0 for any"
    )
    discord_api_url: WebAddress = Field(
        DISCORD_API_URL, description="the address of a rate-limit proxy, such as http://127.0.0.1:8080/api/v10"
    )
    discord_gateway_url: SocketAddress = Field(
        DISCORD_GATEWAY_URL, description="the address of a gateway proxy, such as ws://127.0.0.1:8080"
    )
    shard_count: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="the number of shards of all processes together; empty: as Discord recommends",
    )
    shard_ids: ShardIds = Field(
        "", description="the shards of this process, such as 0-3 or 0,2, counted from 0; it needs SHARD_COUNT"
    )
    https_proxy: ProxyAddress | None = Field(
        None, description="the HTTP proxy for https addresses, such as http://proxy.example.com:3128"
    )
    http_proxy: ProxyAddress | None = Field(
        None, description="the HTTP proxy for http addresses, such as http://proxy.example.com:3128"
    )
    all_proxy: ProxyAddress | None = Field(
        None, description="an HTTP proxy for both, such as http://proxy.example.com:3128 (SOCKS is not supported)"
    )
    no_proxy: str = Field("", description="the hosts that are reached without the proxy, separated by commas")
    edit_interval: float = Field(
        0.4, ge=0.2, le=10, description="the shortest time between two edits of an answer, in seconds"
    )
    answer_pages: int = Field(
        5, ge=1, le=20, description="the number of messages an answer's text fills at most; the rest comes as a file"
    )
    message_content: bool = Field(
        default=False, description="`true` if Message Content Intent is switched on for the application, else `false`"
    )
    watch: bool = Field(
        default=True, description="`true` to read documents as soon as their files change, else `false`"
    )
    direct_messages: bool = Field(default=False, description="`true` to answer direct messages, else `false`")
    follow_edits: bool = Field(
        default=True, description="`true` to answer a question anew that is edited, else `false`"
    )
    follow_deletions: bool = Field(
        default=True, description="`true` to remove the answer to a question that is deleted, else `false`"
    )
    allowed_bots: str = Field(
        "", description="the names or ids of bots and webhooks that are answered, separated by commas"
    )
    model_patience: float = Field(
        60, ge=5, le=3_600, description="the number of seconds a model may take for its first words"
    )
    concurrent_answers: int = Field(
        default_factory=_count_concurrent_answers,
        ge=1,
        le=200,
        description="the number of answers that are written at the same time; others wait in line",
    )
    crowded_channel: int = Field(
        4, ge=1, le=200, description="the number of answers in one channel from which on the next opens a thread"
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="the port that serves /metrics, /healthz and /readyz; empty for none"
    )
    metrics_host: str = Field(
        "127.0.0.1", description="the address that the metrics port listens on; 0.0.0.0 opens it to the network"
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_to_upper)] = Field(
        "INFO", description="one of DEBUG, INFO, WARNING, ERROR"
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_to_lower)] = Field(
        "text", description="`text` for people, `json` for machines"
    )

    @property
    def has_model(self) -> bool:
        """Return whether a model writes the answers; otherwise the documents are quoted."""
        return self.openai_api_key is not None or self.openai_base_url is not None

    @property
    def model_url(self) -> str:
        """Return the model server's URL; the libraries get it as an argument, not from the environment."""
        return self.openai_base_url or OPENAI_URL

    @property
    def embedding_url(self) -> str:
        """Return the embedding server's URL; unused if embedding is local or off."""
        return self.embed_base_url or self.model_url

    @property
    def embedding_key(self) -> SecretStr | None:
        """Return the key for ``embedding_url``; a key never goes to a server it was not set for."""
        return self.embed_api_key or (None if self.embed_base_url else self.openai_api_key)

    @property
    def embedding(self) -> str:
        """Return the embedding model's name, ``local``, ``multilingual`` or ``none``.

        If unset: ``local`` with EMBED_MODEL_DIR, OpenAI's if the documents are sent to OpenAI anyway, else ``local``.
        """
        if self.embed_model is not None:
            lowered = self.embed_model.lower()
            return lowered if lowered in LOCAL_EMBEDDINGS | {"none"} else self.embed_model
        is_openai = self.openai_api_key is not None and self.openai_base_url is None and self.embed_model_dir is None
        return OPENAI_EMBEDDING if is_openai else "local"

    @property
    def store_location(self) -> Path | str:
        """Return the index's place: a file in ``state_dir``, or a database's URL."""
        return self.state_dir / "index.sqlite" if self.store_url is None else self.store_url.get_secret_value()

    @property
    def store_name(self) -> str:
        """Return what people call the index's database."""
        return "a SQLite file" if self.store_url is None else self._store_kind[0]

    @property
    def store_backup(self) -> str:
        """Return how the index's database is backed up; "" for a file, which ``backup`` copies."""
        return "" if self.store_url is None else self._store_kind[1]

    @property
    def _store_kind(self) -> tuple[str, str]:
        return _STORE_KINDS[str(self.store_location).partition(":")[0]]

    @property
    def proxies(self) -> Proxies:
        """Return the HTTP proxies; private addresses are never reached through them."""
        http, https = self.http_proxy or self.all_proxy, self.https_proxy or self.all_proxy
        return Proxies(
            http=None if http is None else http.get_secret_value(),
            https=None if https is None else https.get_secret_value(),
            exceptions=tuple(re.split(r"[,\s]+", self.no_proxy.strip())) if self.no_proxy.strip() else (),
        )

    @property
    def own_shards(self) -> tuple[int, ...] | None:
        """Return the shards of this process, in order; None for all."""
        found: set[int] = set()
        for part in filter(None, (part.strip() for part in self.shard_ids.split(","))):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
        return tuple(sorted(found)) or None

    @property
    def discord_proxy(self) -> str | None:
        """Return the proxy for Discord's API and gateway; None if either of them is on a private address."""
        found = [self.proxies.find(url) for url in (self.discord_api_url, self.discord_gateway_url)]
        return found[0] if all(found) else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every secret in plain text, for the log's redaction only."""
        held: list[SecretStr | None] = [getattr(self, field) for field in SECRET_FIELDS]
        headers = [*(self.llm_headers or {}).values(), *(self.embed_headers or {}).values()]
        passwords = (urlsplit(url).password for url in (self.proxies.http, self.proxies.https) if url)
        return (
            *(secret.get_secret_value() for secret in held if secret is not None),
            *(password for password in passwords if password),
            *(value for value in headers if len(value) >= _MIN_SECRET_LENGTH),
        )

    def require_token(self) -> SecretStr:
        """Return the Discord token.

        Raises:
            SettingsInvalid: It is not set.
        """
        if self.discord_token is None:
            raise SettingsInvalid([_missing_setting_problem("discord_token")])
        return self.discord_token


_MIN_SECRET_LENGTH = 12
"""Characters from which on a header's value is redacted: it may be a key, and a shorter one is a word of the logs."""

SECRET_FIELDS = (
    "discord_token",
    "openai_api_key",
    "llm_fallback_api_key",
    "embed_api_key",
    "rerank_api_key",
    "store_url",
    "records_url",
    "https_proxy",
    "http_proxy",
    "all_proxy",
)
"""Settings that may be in a file of their own, named by ``<SETTING>_FILE``."""


def parse_ids(text: str) -> frozenset[int]:
    """Parse a comma-separated list of ids."""
    return frozenset(int(part) for part in text.split(",") if part.strip())


def list_setting_names() -> list[str]:
    """Return the name of every setting's variable."""
    return [name.upper() for name in Settings.model_fields]


def load(env_file: Path | None = ENV_FILE, *, required: Collection[str] = (), **overrides: Any) -> Settings:
    """Read the environment and ``env_file``; ``overrides`` win over both.

    Args:
        env_file: A file of variables; None reads the environment only.
        required: Fields that may not be empty this time.
        overrides: Values by field.

    Raises:
        SettingsInvalid: Lists every problem found.
    """
    values = _read_env_file(env_file)
    from_files, problems = _read_secret_files({**values, **os.environ, **{n.upper(): v for n, v in overrides.items()}})
    overrides = from_files | overrides
    given = {name.lower() for source in (values, os.environ, overrides) for name, value in source.items() if value}
    problems += [
        *find_misspelled(values),
        *(_missing_setting_problem(field) for field in required if field not in given),
    ]
    try:
        settings = Settings(_env_file=env_file, **overrides)  # type: ignore[call-arg]  # pydantic-settings' own argument
    except ValidationError as error:
        problems += [_problem_from_error(fault) for fault in error.errors(include_input=False)]
    else:
        problems += _find_shard_problems(settings)
        if not problems:
            return settings
    raise SettingsInvalid(problems)


def _find_shard_problems(settings: Settings) -> list[Problem]:
    if not settings.shard_ids:
        return []
    if settings.shard_count is None:
        return [Problem("SHARD_IDS", "is set without SHARD_COUNT", _format_remedy("shard_count"))]
    shards = settings.own_shards
    if shards is None or shards[-1] >= settings.shard_count:
        remedy = f"SHARD_COUNT is {settings.shard_count}, so they are 0 to {settings.shard_count - 1}."
        return [Problem("SHARD_IDS", "names a shard that there is not", remedy)]
    return []


def parse_store_location(text: str) -> Path | str:
    """Parse an index's place from the command line: a file's path, or a database's URL."""
    return text if "://" in text else Path(text)


def find_misspelled(values: Mapping[str, object]) -> list[Problem]:
    """Report names in ``.env`` that nearly match a setting: such a typo would silently do nothing."""
    known = [*list_setting_names(), *(f"{field.upper()}_FILE" for field in SECRET_FIELDS)]
    problems: list[Problem] = []
    for name in values:
        if name.upper() in known:
            continue
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.85)
        if near:
            problems.append(Problem(name, "is not a setting", f"Did you mean {near[0]}?"))
    return problems


def _read_env_file(env_file: Path | None) -> Mapping[str, object]:
    if env_file is None or not env_file.is_file():
        return {}
    try:
        return dotenv_values(env_file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(
            [Problem(str(env_file), "cannot be read", "It must be a text file in UTF-8 that this user may read.")]
        ) from error


def _read_secret_files(values: Mapping[str, object]) -> tuple[dict[str, str], list[Problem]]:
    """Read the secrets that ``…_FILE`` variables name; return them by field, and what is wrong with the files."""
    secrets: dict[str, str] = {}
    problems: list[Problem] = []
    for field in SECRET_FIELDS:
        name = f"{field.upper()}_FILE"
        path = values.get(name)
        if not path:
            continue
        if values.get(field.upper()):
            problems.append(Problem(name, f"and {field.upper()} are both set", "Keep one of them."))
            continue
        try:
            secrets[field] = Path(str(path)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            problems.append(Problem(name, f"names a file that cannot be read ({reason})", _format_remedy(field)))
    return secrets, problems


def _missing_setting_problem(field: str) -> Problem:
    return Problem(field.upper(), "is missing", _format_remedy(field))


def _problem_from_error(error: ErrorDetails) -> Problem:
    """Describe an error of pydantic in plain English; our own validators' messages are plain already."""
    field, kind, limits = str(error["loc"][0]), error["type"], error.get("ctx", {})
    if kind == "value_error":
        message = error["msg"].removeprefix("Value error, ")
    elif kind in {"greater_than_equal", "less_than_equal"}:
        message = f"is less than {limits['ge']:,}" if "ge" in limits else f"is more than {limits['le']:,}"
    else:
        message = _ERROR_MESSAGES.get(kind.partition("_")[0], "is not valid")
    return Problem(field.upper(), message, _format_remedy(field))


def _format_remedy(field: str) -> str:
    known = Settings.model_fields.get(field)
    return f"It should hold {known.description}." if known is not None else ""
