"""DOCUMENTS IN, GROUNDED DELTAS OUT. LlamaIndex, never discord.

Exports ``KnowledgeBase`` and the choices it is opened with. LlamaIndex takes two seconds to import, so these names are
imported on first use: in a thread, while the gateway connects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.knowledge.answering.rerank import RerankChoice
    from bot.knowledge.knowledge_base import KnowledgeBase
    from bot.knowledge.models.local import LocalEmbeddingChoice
    from bot.knowledge.models.openai import EmbeddingChoice, LanguageModelChoice

__all__ = ["EmbeddingChoice", "KnowledgeBase", "LanguageModelChoice", "LocalEmbeddingChoice", "RerankChoice"]

_LAZY_IMPORTS = {
    "EmbeddingChoice": "bot.knowledge.models.openai",
    "KnowledgeBase": "bot.knowledge.knowledge_base",
    "LanguageModelChoice": "bot.knowledge.models.openai",
    "LocalEmbeddingChoice": "bot.knowledge.models.local",
    "RerankChoice": "bot.knowledge.answering.rerank",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY_IMPORTS[name]), name)
