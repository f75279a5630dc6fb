"""Values and protocols that packages exchange; imports nothing but the standard library."""

from bot.domain.answers import (
    QUESTION_LIMIT,
    SHARED,
    Answer,
    Answerer,
    AnswerStatus,
    Attachment,
    Question,
    ResponseStyle,
    Scope,
    Source,
    Turn,
    Usage,
    collection_of,
)
from bot.domain.library import (
    DocumentInfo,
    FileReader,
    IngestionReport,
    Library,
    LibraryState,
    Progress,
    ReindexRequest,
)

__all__ = [
    "QUESTION_LIMIT",
    "SHARED",
    "Answer",
    "AnswerStatus",
    "Answerer",
    "Attachment",
    "DocumentInfo",
    "FileReader",
    "IngestionReport",
    "Library",
    "LibraryState",
    "Progress",
    "Question",
    "ReindexRequest",
    "ResponseStyle",
    "Scope",
    "Source",
    "Turn",
    "Usage",
    "collection_of",
]
