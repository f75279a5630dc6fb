"""Finds documents that are the same text in several formats, of which only the best is indexed."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from bot.domain import collection_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMATS_BEST_FIRST: Final = [
    ".md",
    ".markdown",
    ".mdx",
    ".html",
    ".htm",
    ".rst",
    ".adoc",
    ".asciidoc",
    ".org",
    ".docx",
    ".odt",
    ".epub",
    ".tex",
    ".rtf",
    ".txt",
    ".pptx",
    ".odp",
    ".pdf",
]
_FORMAT_FOLDERS: Final = frozenset({"html", "htm", "pdf", "text", "txt", "markdown", "md", "word", "_sources"})
_SHINGLE_WORDS: Final = 4
_MIN_SHARED: Final = 0.7  # of a document's runs of words that are in the better format too
_MIN_WORDS: Final = 40  # shorter documents are compared whole


def find_better_formats(documents: Iterable[str]) -> dict[str, list[str]]:
    """Map each document to those of the same name, place and collection in better formats, the best first.

    Folders that are named for a format (``pdf/guide.pdf`` beside ``html/guide.html``) are the same place.
    """
    groups: defaultdict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    for document in documents:
        path = PurePosixPath(document)
        suffix = path.suffix.lower()
        if suffix not in _FORMATS_BEST_FIRST or "://" in document:
            continue
        stem = path.name[: -len(suffix)]
        rank = _FORMATS_BEST_FIRST.index(suffix)
        if suffix == ".txt" and stem.lower().endswith((".rst", ".md")):  # Sphinx shows a page's source so
            stem = stem.rpartition(".")[0]
        folders = [part.lower() for part in path.parts[:-1] if part.lower() not in _FORMAT_FOLDERS]
        groups[collection_of(document), *folders, stem.lower()].append((rank, document))
    better: dict[str, list[str]] = {}
    for group in groups.values():
        names = [name for _, name in sorted(group)]
        better |= {name: names[:place] for place, name in enumerate(names) if place}
    return better


def is_near_copy(texts: Iterable[str], better_texts: Iterable[str]) -> bool:
    """Whether most of a document's text is in another document too, in the same words."""
    runs, others = _find_runs(texts), _find_runs(better_texts)
    return bool(runs) and len(runs & others) >= _MIN_SHARED * len(runs)


def _find_runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """Return the runs of neighbouring words, letters and digits alone; of a short text the whole."""
    words = [word.casefold() for text in texts for word in re.findall(r"[^\W_]+", text)]
    if len(words) < _MIN_WORDS:
        return {tuple(words)} if words else set()
    return {tuple(words[place : place + _SHINGLE_WORDS]) for place in range(len(words) - _SHINGLE_WORDS + 1)}
