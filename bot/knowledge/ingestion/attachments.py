"""Reads a file that was attached to a question, in a child process with limits; nothing of it is stored."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from bot.domain import Attachment
from bot.errors import DocumentUnreadable
from bot.knowledge.ingestion.worker import Limits, ReaderProcess
from bot.knowledge.readers import known_suffix
from bot.knowledge.sources.folder import SIZE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable


ATTACHMENT_LIMITS: Final = Limits(seconds=20.0, memory=512 * 2**20)
"""Limits of reading one attached file; several may be read at the same time."""


def read_attachment(
    name: str, content: bytes, *, is_stopped: Callable[[], bool] = lambda: False, limits: Limits | None = None
) -> Attachment:
    """Return the file's text as Markdown, cut to what a model may read. It blocks.

    The file's name comes from a user: it is shown, but no path is made of it.

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
        raise DocumentUnreadable("cannot be written to a temporary file to be read: the disk may be full") from error


def _read_in_worker(file: str, content: bytes, is_stopped: Callable[[], bool], limits: Limits | None) -> str:
    """Read a file from a temporary folder that only this user can open."""
    with TemporaryDirectory(prefix="docent-") as folder, ReaderProcess(limits or ATTACHMENT_LIMITS) as child:
        Path(folder, file).write_bytes(content)
        for text in child.read_text(Path(folder), file):
            if text is not None:
                return text
            if is_stopped():
                break
        raise DocumentUnreadable("not read: Docent is being stopped")
