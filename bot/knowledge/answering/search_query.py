"""Builds the text that is searched for a question that came with files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bot.knowledge.answering.condense_question import is_self_contained
from bot.text.search_terms import extract_stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain import Attachment

EXCERPT_CHARS: Final = 600
"""Characters of the files that are searched for together with the question."""

_MIN_TERMS: Final = 4  # a question with fewer terms leaves its subject to its file
# Words that point at a file; those that point at anything said before are known to ``is_self_contained``.
_FILE_REFERENCE: Final = re.compile(
    r"""
    \b(?: this|these|attach\w*|enclosed|files?|documents?|pdf|spreadsheet|screenshot|above
        | anh[aä]ng\w*|angehängt\w*|beigefügt\w*|datei(?:en)?|dokumente?|dies(?:e[mnrs]?|es)?
        | fichiers?|joint\w*|pièces?|ceci|adjunt\w*|archivos?|est[aeo]s?|allegat\w*|bijlage|anexo
        | файл\w*|вложени\w*|документ\w*|этот|эта|эти )\b
    | 附件 | 文件 | 这 | 添付 | ファイル
    """,
    re.IGNORECASE | re.VERBOSE,
)


def build_search_query(text: str, attachments: Sequence[Attachment]) -> str:
    """Return the question, with the beginning of its files where it does not name its subject itself.

    "Is this contract in line with our holiday rules?" points at its file; "How many days of holiday do we have?" does
    not, whatever it came with.
    """
    if not attachments:
        return text
    if is_self_contained(text) and len(set(extract_stems(text))) >= _MIN_TERMS and not _FILE_REFERENCE.search(text):
        return text
    share = EXCERPT_CHARS // len(attachments)
    return "\n".join([text, *(" ".join(file.text[: share * 2].split())[:share] for file in attachments)])
