"""DOCUMENTS IN, GROUNDED DELTAS OUT. LlamaIndex, never discord.

The door: ``KnowledgeBase`` and the choices it is opened with. LlamaIndex takes two seconds to import, so the door
opens on first use; touch it in a thread while the gateway connects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.knowledge.knowledge_base import KnowledgeBase
    from bot.knowledge.models.local import LocalEmbeddingChoice
    from bot.knowledge.models.openai import EmbeddingChoice, LanguageModelChoice

__all__ = ["EmbeddingChoice", "KnowledgeBase", "LanguageModelChoice", "LocalEmbeddingChoice"]

_LAZY_IMPORTS = {
    "EmbeddingChoice": "bot.knowledge.models.openai",
    "KnowledgeBase": "bot.knowledge.knowledge_base",
    "LanguageModelChoice": "bot.knowledge.models.openai",
    "LocalEmbeddingChoice": "bot.knowledge.models.local",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY_IMPORTS[name]), name)
