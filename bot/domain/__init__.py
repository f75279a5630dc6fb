"""Values and protocols that packages exchange; imports nothing but the standard library."""

from bot.domain.answers import (
    QUESTION_LIMIT,
    SHARED,
    Answer,
    Answerer,
    AnswerOutcome,
    Attachment,
    FinishReason,
    Question,
    ResponseStyle,
    Scope,
    Source,
    Turn,
    Usage,
    collection_of,
)
from bot.domain.library import DocumentInfo, FileReader, IngestionReport, Library, LibraryState, Progress

__all__ = [
    "QUESTION_LIMIT",
    "SHARED",
    "Answer",
    "AnswerOutcome",
    "Answerer",
    "Attachment",
    "DocumentInfo",
    "FileReader",
    "FinishReason",
    "IngestionReport",
    "Library",
    "LibraryState",
    "Progress",
    "Question",
    "ResponseStyle",
    "Scope",
    "Source",
    "Turn",
    "Usage",
    "collection_of",
]
