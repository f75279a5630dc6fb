"""The models that write and embed: where every question and document would go, proved by one word that went there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.doctor.check_result import Finding, some
from bot.doctor.discord_api import fetched, host_of
from bot.errors import ModelBusy, ModelMute, ModelOutOfCredit, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp
    from pydantic import SecretStr

    from bot.knowledge import EmbeddingChoice, LanguageModelChoice, Local
    from bot.knowledge.models.probe import Proof
    from bot.settings import Settings

_UNPROVED: Final = "Without --offline it is asked for one word, to prove it."
_INSTALL: Final = "Run it with `uv run --extra local …`, or set EMBED_MODEL."
_PATIENTLY: Final[Mapping[type, str]] = {
    ModelBusy: "Nothing needs mending: look again then.",
    ModelOutOfCredit: "Top the account up, or use the key of another.",
}
"""What to do about faults that no setting is to blame for."""


@dataclass(frozen=True, slots=True)
class _Server:
    """A model behind an address, what goes there, and the settings that choose them."""

    subject: str
    name: str
    url: str
    key: SecretStr | None
    what: str
    address: str
    others: str

    @property
    def host(self) -> str:
        return host_of(self.url)

    def unasked(self) -> Finding:
        seen = f"{self.name} at {self.host}: {self.what} there (not asked: --offline)"
        return Finding(self.subject, "note", seen, _UNPROVED)

    def proved(self, proof: Proof, deed: str) -> Finding:
        if proof.host == self.host:
            return Finding(self.subject, "well", f"{deed}: {self.what} there")
        seen = f"{deed}, to which {self.host} sent the request on: {self.what} to both"
        return Finding(self.subject, "note", seen, f"If that is not what you want, correct {self.address}.")

    async def faulty(self, session: aiohttp.ClientSession, proof: Proof) -> Finding:
        """What the bot would say of the fault, and what the server says it has."""
        if isinstance(proof.fault, SettingsInvalid):
            return Finding(self.subject, "ill", f"{self.host} was not asked: {proof.fault}", "Correct that setting.")
        answered = f"{proof.host} answered" if proof.host else f"{self.host} did not answer"
        seen = f"{answered}: {proof.fault}"
        remedy = _PATIENTLY.get(type(proof.fault), f"Check {self.address} (most end with /v1), {self.others}.")
        if names := await self._names(session):
            remedy += f" It has: {some(names, most=8)}."
        return Finding(self.subject, "ill", seen, remedy)

    async def _names(self, session: aiohttp.ClientSession) -> list[str]:
        """The models that the server lists, unless the one that is wanted is among them."""
        headers = {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key is not None else {}
        _, body = await fetched(session, f"{self.url}/models", headers)
        entries = body.get("data")
        names = [str(entry.get("id")) for entry in entries or () if isinstance(entry, dict)]
        return [] if any(self.name in {name, name.removesuffix(":latest")} for name in names) else sorted(names)


async def model(
    session: aiohttp.ClientSession, settings: Settings, choice: LanguageModelChoice | None, *, is_offline: bool = False
) -> Finding:
    """Which host questions and passages go to, proved by one token that it wrote."""
    if choice is None:
        return Finding(
            "Model", "note", "none: documents are quoted word for word; no question leaves this machine for an answer",
            "For written answers set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.",
        )  # fmt: skip
    server = _Server(
        *("Model", choice.name, settings.model_url, choice.api_key),
        what="every question and the passages for it go",
        address="OPENAI_BASE_URL",
        others="OPENAI_API_KEY and LLM_MODEL",
    )
    if is_offline:
        return server.unasked()
    from bot.knowledge.models import probe  # noqa: PLC0415  # LlamaIndex, which whoever made the choice has loaded

    proof = await probe.written(choice, settings.model_patience)
    if isinstance(proof.fault, ModelMute):
        return Finding("Model", "note", f"{proof.host} answered, but wrote nothing", "Try `ask` to see what it writes.")
    if proof.fault is not None:
        return await server.faulty(session, proof)
    return server.proved(proof, f"1 token was written by {proof.host} as {choice.name}")


async def embeddings(
    session: aiohttp.ClientSession,
    settings: Settings,
    choice: EmbeddingChoice | Local | None,
    *,
    is_offline: bool = False,
) -> Finding:
    """Which host the documents' text goes to, proved by one word that it embedded."""
    subject = "Embeddings"
    if choice is None:
        return Finding(
            subject, "note", "none: passages are found by their words alone", "EMBED_MODEL=local finds more."
        )
    from bot.knowledge import EmbeddingChoice  # noqa: PLC0415  # as above
    from bot.knowledge.models import probe  # noqa: PLC0415  # as above

    if not isinstance(choice, EmbeddingChoice):
        return await _local()
    server = _Server(
        *(subject, choice.name, settings.embedding_url, choice.api_key),
        what="the text of every document, and every question, go",
        address="EMBED_BASE_URL" if settings.embed_base_url else "OPENAI_BASE_URL",
        others=f"{'EMBED_API_KEY' if settings.embed_base_url else 'OPENAI_API_KEY'} and EMBED_MODEL",
    )
    if is_offline:
        return server.unasked()
    proof = await probe.embedded(choice, settings.model_patience)
    if proof.fault is not None:
        return await server.faulty(session, proof)
    return server.proved(proof, f"1 word was embedded by {proof.host} as {choice.name}")


async def _local() -> Finding:
    from bot.knowledge.models import probe  # noqa: PLC0415  # as above

    subject = "Embeddings"
    try:
        numbers = await probe.embedded_here()
    except (ImportError, OSError) as error:
        return Finding(subject, "ill", f"local, but it does not run here ({type(error).__name__})", _INSTALL)
    if numbers is None:
        return Finding(subject, "note", "local, but not installed: passages are found by their words alone", _INSTALL)
    return Finding(subject, "well", "1 word was embedded on this machine: no text leaves it to be embedded")
