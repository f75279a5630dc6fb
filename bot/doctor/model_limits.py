"""Compares the context window that the settings assume with what the model's server says and does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from bot.doctor.check_result import CheckResult
from bot.errors import ContextTooLong

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.knowledge import LanguageModelChoice
    from bot.settings import Settings

_SUBJECT: Final = "Context window"

_WINDOW_KEYS: Final = (
    "n_ctx",  # llama.cpp, in "meta"
    "max_model_len",  # vLLM
    "loaded_context_length",  # LM Studio
    "context_length",  # OpenRouter, Together
    "context_window",  # Groq
    "max_context_length",  # Mistral, LM Studio
    "max_total_tokens",  # Text Generation Inference
)
"""Names under which servers tell how many tokens a model reads at most; the first that is there counts."""

_CUT_SHARE: Final = 0.75
"""Of a prompt's tokens as counted here, the share below which the server has cut it: tokenizers differ by less."""

_BESIDE_PASSAGES: Final = 2_000
"""Tokens of rules, conversation and question beside the passages, at most."""

_OLLAMA_HINT: Final = "With Ollama set OLLAMA_CONTEXT_LENGTH, or num_ctx in LLM_OPTIONS"


def find_context_window(models: Mapping[str, Any], name: str) -> int | None:
    """Return the context window of a model from the response of /v1/models; None if it is not there."""
    listed = models.get("data")
    entries = (
        [cast("dict[str, Any]", each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    )
    own = [each for each in entries if name in {each.get("id"), str(each.get("id")).removesuffix(":latest")}]
    # llama.cpp lists its only model under the file's name, whatever it is asked for.
    for entry in own or (entries if len(entries) == 1 else []):
        meta = entry.get("meta")
        for fields in (cast("dict[str, Any]", meta) if isinstance(meta, dict) else {}, entry):
            for key in _WINDOW_KEYS:
                value = fields.get(key)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
    return None


def compare_context_window(choice: LanguageModelChoice, server_window: int | None) -> CheckResult | None:
    """Compare the assumed context window with the one the server tells; None if it tells none."""
    if server_window is None:
        return None
    source = "LLM_CONTEXT_WINDOW" if choice.context_window else "assumed without LLM_CONTEXT_WINDOW"
    seen = f"{choice.window:,} tokens ({source}); the server reads {server_window:,}"
    if choice.window > server_window:
        remedy = f"Set LLM_CONTEXT_WINDOW={server_window}, or start the server with a larger context."
        return CheckResult(_SUBJECT, "error", f"{seen}: long prompts would be cut or refused", remedy)
    if choice.window * 2 <= server_window and not choice.context_window:
        return CheckResult(_SUBJECT, "note", seen, f"Set LLM_CONTEXT_WINDOW={server_window} to use all of it.")
    return CheckResult(_SUBJECT, "ok", seen)


async def check_prompt_length(settings: Settings, choice: LanguageModelChoice) -> Sequence[CheckResult]:
    """Send a prompt as long as the longest of an answer, and compare the tokens the server has read with its length.

    Not at OpenAI, which refuses what is too long: there it would only cost money.
    """
    if choice.is_openai:
        return ()
    from bot.knowledge.models import probe  # noqa: PLC0415  # loads LlamaIndex, two seconds

    wanted = min(settings.context_tokens, choice.window // 2) + _BESIDE_PASSAGES
    wanted = min(wanted, choice.window - choice.max_answer_tokens - _BESIDE_PASSAGES // 10)
    measured = await probe.measure_prompt(choice, wanted, settings.model_patience)
    subject = "Prompt length"
    if isinstance(measured.fault, ContextTooLong):
        remedy = f"Set LLM_CONTEXT_WINDOW to what the server reads, or give it a larger context. {_OLLAMA_HINT}."
        return [CheckResult(subject, "error", f"a prompt of {measured.sent:,} tokens is refused as too long", remedy)]
    if measured.fault is not None:
        seen = f"a prompt of {measured.sent:,} tokens was not answered: {measured.fault}"
        return [CheckResult(subject, "note", seen, "Lower CONTEXT_TOKENS, or raise MODEL_PATIENCE, if answers fail.")]
    if measured.read is None:
        return []
    if measured.read < measured.sent * _CUT_SHARE:
        seen = f"of a prompt of {measured.sent:,} tokens the server has read {measured.read:,}: it cuts silently"
        remedy = f"{_OLLAMA_HINT}; or set LLM_CONTEXT_WINDOW={measured.read}."
        return [CheckResult(subject, "error", seen, remedy)]
    seen = f"a prompt of {measured.sent:,} tokens is read whole ({measured.read:,} as the server counts)"
    return [CheckResult(subject, "ok", seen)]
