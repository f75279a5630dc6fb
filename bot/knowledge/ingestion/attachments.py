"""A file that came with a question: its bytes go in, what a model may read of it comes out, and nothing is kept."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from bot.domain import Attachment
from bot.errors import DocumentUnreadable
from bot.knowledge.answering.condense_question import is_self_contained
from bot.knowledge.ingestion.worker import Limits, ReaderProcess
from bot.knowledge.readers import SIZE_LIMIT, known_suffix
from bot.knowledge.splitting.splitter import count_tokens, truncate_to_tokens
from bot.text.search_terms import extract_stems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXCERPT_CHARS: Final = 600
"""Characters of what came with a question that are searched for together with it."""

_MIN_TERMS: Final = 4  # a question with fewer words that say something leaves the rest to its file
# Words that point at a file; those that point at anything said before are known to ``stands_alone``.
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


def read_attachment(
    name: str, content: bytes, *, is_stopped: Callable[[], bool] = lambda: False, limits: Limits | None = None
) -> Attachment:
    """The file's text as Markdown, read in a child with limits and cut to what a model may read. It blocks.

    Its name is a stranger's: it is shown, but no path is made of it.

    Raises:
        DocumentUnreadable: it is damaged, locked, binary, empty, too large or of no known format.
    """
    suffix = known_suffix(name)
    if suffix is None:
        raise DocumentUnreadable("of no known format")
    if len(content) > SIZE_LIMIT:
        raise DocumentUnreadable(f"larger than {SIZE_LIMIT // 2**20} MB")
    if not content:
        raise DocumentUnreadable("empty file")
    try:
        return Attachment(name, _read_in_worker(f"attached{suffix}", content, is_stopped, limits))
    except OSError as error:
        raise DocumentUnreadable("cannot be put aside to be read: the disk may be full") from error


def _read_in_worker(file: str, content: bytes, is_stopped: Callable[[], bool], limits: Limits | None) -> str:
    """The text of a file that lies in a folder of its own for as long as it is read; no one else may look into that."""
    with TemporaryDirectory(prefix="docent-") as folder, ReaderProcess(limits) as child:
        Path(folder, file).write_bytes(content)
        for text in child.read_text(Path(folder), file):
            if text is not None:
                return text
            if is_stopped():
                break
        raise DocumentUnreadable("not read: Docent is being stopped")


def build_search_query(text: str, attachments: Sequence[Attachment]) -> str:
    """What a question is searched as: with the beginning of its files where it says too little by itself.

    A question that names its matter is searched by its own words: "Is this contract in line with our holiday rules?"
    points at its file, "How many days of holiday do we have?" does not, whatever it came with.
    """
    if not attachments:
        return text
    if is_self_contained(text) and len(set(extract_stems(text))) >= _MIN_TERMS and not _FILE_REFERENCE.search(text):
        return text
    share = EXCERPT_CHARS // len(attachments)
    return "\n".join([text, *(" ".join(file.text[: share * 2].split())[:share] for file in attachments)])


def fit_files(attachments: Sequence[Attachment], token_budget: int) -> tuple[Attachment, ...]:
    """The files cut so that they take so many tokens together at most; what a short one leaves, a long one gets."""
    sizes = {place: count_tokens(file.text) for place, file in enumerate(attachments)}
    texts: dict[int, str] = {}
    for left, place in zip(range(len(sizes), 0, -1), sorted(sizes, key=lambda place: sizes[place]), strict=True):
        share = max(token_budget, 0) // left
        texts[place] = truncate_to_tokens(attachments[place].text, share)
        token_budget -= min(sizes[place], share)
    return tuple(Attachment(file.name, texts[place]) for place, file in enumerate(attachments))
