"""Programs and notebooks: code goes out as code blocks under the file's own name, a notebook's prose as Markdown."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any, Final, cast

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.html import parse_html
from bot.knowledge.readers.page import Page, first_heading, format_code_block, map_line_numbers
from bot.knowledge.readers.text import decode_text

LANGUAGES: Final = {
    ".py": "python",
    ".pyi": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".jsx": "jsx",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    ".kt": "kotlin",
    ".swift": "swift",
    ".scala": "scala",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".hpp": "cpp",
    ".cs": "csharp",
    ".rb": "ruby",
    ".php": "php",
    ".lua": "lua",
    ".pl": "perl",
    ".r": "r",
    ".sh": "bash",
    ".bash": "bash",
    ".ps1": "powershell",
    ".sql": "sql",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".ini": "ini",
    ".cfg": "ini",
    ".json": "json",
    ".xml": "xml",
    ".css": "css",
    ".proto": "protobuf",
    ".graphql": "graphql",
    ".tf": "hcl",
}
"""Endings of source code, with the names that code blocks give to their languages."""

_GENERATED_SUFFIXES = (".min.js", ".min.css", "package-lock.json", "-lock.json", "-lock.yaml")
_GENERATED_NAMES = frozenset(
    {
        *("searchindex.js", "search_index.json", "search-index.json", "searchtools.js", "language_data.js"),
        *("doctools.js", "translations.js", "documentation_options.js", "sphinx_highlight.js", "jquery.js"),
        *("underscore.js", "_sphinx_javascript_frameworks_compat.js"),
    }
)
"""Files that documentation tools put beside their pages, to search and show them."""
_OUTPUT_LIMIT = 4_000  # characters of one output of a notebook: a table's head, not a log


def is_generated(name: str) -> bool:
    """Whether a file's name says that a program wrote it for another."""
    return name.lower().endswith(_GENERATED_SUFFIXES) or PurePosixPath(name.lower()).name in _GENERATED_NAMES


def read_source(content: bytes, name: str) -> list[Page]:
    """A file of source code as one code block; its title is its name."""
    text = decode_text(content)
    if not text.strip():
        return [Page("")]
    opening, _, code = format_code_block(text, LANGUAGES.get(PurePosixPath(name).suffix.lower(), "")).partition("\n")
    before_words = re.match(r"[\W_]*", text)
    first = len(map_line_numbers([(1, before_words[0])])) if before_words else 1
    left_out = len(text) - len(text.lstrip("\n"))
    lines = map_line_numbers([(first, f"{opening}\n"), (1 + left_out, code)])
    return [Page(f"{opening}\n{code}", name, line_numbers=lines)]


def read_notebook(content: bytes) -> list[Page]:
    """A Jupyter notebook: its prose, its code, and what the code printed.

    Raises:
        DocumentUnreadable: it is no notebook.
    """
    try:
        notebook: Any = json.loads(decode_text(content))
    except (ValueError, RecursionError) as error:
        raise DocumentUnreadable("damaged notebook") from error
    cells = _get_list(notebook, "cells")
    for sheet in _get_list(notebook, "worksheets"):  # as notebooks were before 2014
        cells.extend(_get_list(sheet, "cells"))
    if not cells:
        is_empty = isinstance(notebook, dict) and all(
            isinstance(notebook.get(name, []), list) for name in ("cells", "worksheets")
        )
        raise DocumentUnreadable("empty file" if is_empty else "damaged notebook: it holds no cells")
    language = _find_language(notebook)
    text = "\n\n".join(written for cell in cells if (written := _format_cell(cell, language)))
    return [Page(text, first_heading(text, is_markdown=True))]


def _find_language(notebook: Any) -> str:
    metadata: Any = notebook.get("metadata", {})
    info: Any = metadata.get("language_info", {}) if isinstance(metadata, dict) else {}
    name = str(cast("dict[str, Any]", info).get("name", "python")) if isinstance(info, dict) else "python"
    return name if name.isalnum() else ""


def _format_cell(cell: Any, language: str) -> str:
    if not isinstance(cell, dict):
        return ""
    kind = cell.get("cell_type")
    source = _join_lines(cell.get("source", cell.get("input", "")))
    if kind == "heading":
        level = cell.get("level", 1)
        return f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {source}"  # noqa: PLR2004
    if kind != "code":
        return source
    outputs = [_format_rich_output(output) or _format_output(output).strip() for output in _get_list(cell, "outputs")]
    blocks = [format_code_block(source, language)] if source.strip() else []
    return "\n\n".join([*blocks, *filter(None, outputs)])


def _format_rich_output(output: Any) -> str:
    """Return an output's Markdown, or its HTML (a table, mostly) as Markdown; "" where it has neither."""
    data: Any = output.get("data", {}) if isinstance(output, dict) else {}
    if not isinstance(data, dict):
        return ""
    named = cast("dict[str, Any]", data)
    if markdown := _join_lines(named.get("text/markdown", "")).strip():
        return markdown[:_OUTPUT_LIMIT]
    html = _join_lines(named.get("text/html", ""))
    if not html.strip():
        return ""
    try:
        return parse_html(html).text.strip()[:_OUTPUT_LIMIT]
    except DocumentUnreadable:
        return ""


def _format_output(output: Any) -> str:
    """Return an output's plain text as a code block; pictures and widgets have none."""
    if not isinstance(output, dict):
        return ""
    if output.get("output_type") in {"error", "pyerr"}:
        shown = f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
        return format_code_block(shown[:_OUTPUT_LIMIT])
    data: Any = output.get("data", {})
    plain = data.get("text/plain", "") if isinstance(data, dict) else ""
    shown = _join_lines(output.get("text", "") or plain)[:_OUTPUT_LIMIT].strip()
    return format_code_block(shown) if shown else ""


def _get_list(holder: Any, name: str) -> list[Any]:
    members: Any = holder.get(name) if isinstance(holder, dict) else None
    return list(members) if isinstance(members, list) else []


def _join_lines(text: Any) -> str:
    """Text that a notebook keeps as one string or as a list of lines."""
    return "".join(str(line) for line in text) if isinstance(text, list) else str(text or "")
