"""Reads one file of the folder, or one fetched page, as Documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.knowledge.readers import read_document
from bot.knowledge.sources.folder import read_file
from bot.knowledge.sources.web.addresses import parse_list_path
from bot.knowledge.sources.web.page_cache import load_cached_page

if TYPE_CHECKING:
    from pathlib import Path

    from llama_index.core.schema import Document


def read(root: Path, relative: str) -> list[Document]:
    """Return a file's Documents; a fetched page is named likewise, and ``root`` is then the folder of fetched pages.

    Raises:
        DocumentUnreadable: It cannot be opened or read; the message is the reason.
    """
    if parse_list_path(relative) is not None:
        page = load_cached_page(root, relative)
        return read_document(page.body, relative, suffix=page.kind, modified=page.modified, address=page.address)
    content = read_file(root, relative)
    modified = datetime.fromtimestamp(content.modified, UTC).isoformat(timespec="seconds")
    return read_document(content.data, relative, modified=modified)
