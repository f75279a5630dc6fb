"""Values and protocols that packages exchange; imports nothing but the standard library."""

from bot.domain.answers import (
    QUESTION_LIMIT,
    SHARED,
    Answer,
    Answerer,
    Attached,
    Ending,
    Manner,
    Outcome,
    Question,
    Scope,
    Source,
    Turn,
    Usage,
    collection_of,
)
from bot.domain.library import IngestionReport, Library, LibraryState, Progress, Shelved

__all__ = [
    "QUESTION_LIMIT",
    "SHARED",
    "Answer",
    "Answerer",
    "Attached",
    "Ending",
    "IngestionReport",
    "Library",
    "LibraryState",
    "Manner",
    "Outcome",
    "Progress",
    "Question",
    "Scope",
    "Shelved",
    "Source",
    "Turn",
    "Usage",
    "collection_of",
]
