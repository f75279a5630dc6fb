"""Reads further markup languages (MDX, AsciiDoc, Org, LaTeX) as Markdown, line by line."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bot.knowledge.readers.page import Page, clean_text, first_heading, map_line_numbers
from bot.knowledge.readers.text import decode_text, read_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Line = tuple[int, str]
"""A line of Markdown, with the place of the line that it was made from."""


def read_mdx(content: bytes) -> list[Page]:
    """Read Markdown with JSX: imports, exports, expressions and tags are left out, the text inside tags is kept."""
    (page,) = read_markdown(content)
    kept: list[tuple[str, int]] = []
    numbers = list(page.line_numbers) or list(range(1, page.text.count("\n") + 2))
    fence, depth = "", 0
    for line, number in zip(page.text.split("\n"), numbers, strict=False):
        if mark := re.match(r"\s*(`{3,}|~{3,})", line):
            fence = "" if fence and line.strip().startswith(fence) else fence or mark[1]
        elif not fence:
            if depth or re.match(r"(?:import|export)\s[^.]*(?:from\s|[{='\"*]|default\b|const\b|function\b)", line):
                depth = max(depth + len(re.findall(r"[{(\[]", line)) - len(re.findall(r"[})\]]", line)), 0)
                continue
            line = _strip_jsx(line)  # noqa: PLW2901 - the same line, plainer
        kept.append((line, number))
    return [replace(page, text="\n".join(line for line, _ in kept), line_numbers=[number for _, number in kept])]


def _strip_jsx(line: str) -> str:
    """Return a line without tags of components and comments; a ``title`` or ``label`` of a tag is kept as bold text."""
    pieces = re.split(r"(`[^`]*`)", line)
    for place in range(0, len(pieces), 2):
        plain = re.sub(r"\{/\*.*?\*/\}|</?>|</[A-Za-z][\w.]*\s*>", "", pieces[place])
        pieces[place] = re.sub(r"<[A-Z][\w.]*((?:\s[^<>]*)?)/?>", _format_tag, plain)
    return "".join(pieces)


def _format_tag(match: re.Match[str]) -> str:
    named = re.search(r"\b(?:title|label|summary)\s*=\s*[{]?[\"']([^\"']+)[\"']", match[1])
    return f"**{named[1]}** " if named else ""


def read_asciidoc(content: bytes) -> list[Page]:
    """Read AsciiDoc: headings, listings, admonitions, lists, tables and links."""
    return _convert(content, _convert_asciidoc)


def read_org(content: bytes) -> list[Page]:
    """Read Emacs' Org: headlines, source blocks, links, tables; drawers and comments are left out."""
    return _convert(content, _convert_org)


def read_latex(content: bytes) -> list[Page]:
    """Read LaTeX: sections, lists, listings and running text; formulas stay as they are."""
    return _convert(content, _convert_latex)


def _convert(content: bytes, convert: Callable[[Sequence[str]], tuple[str, list[_Line]]]) -> list[Page]:
    text = decode_text(content)
    before = map_line_numbers([(1, text)])
    title, lines = convert(clean_text(text).expandtabs(4).split("\n"))
    made = "\n".join(line for _, line in lines)
    places = map_line_numbers((place, f"{line}\n") for place, line in lines)
    numbers = [before[min(place, len(before) - 1)] for place in places]
    return [Page(made, title or first_heading(made, is_markdown=True), line_numbers=numbers)]


# --- AsciiDoc

_ADOC_FENCES: Final = {"----": "```", "....": "```", "```": "```"}
_ADOC_ADMONITION = re.compile(r"^(NOTE|TIP|IMPORTANT|WARNING|CAUTION):\s+")


def _convert_asciidoc(lines: Sequence[str]) -> tuple[str, list[_Line]]:
    out: list[_Line] = []
    title, fence, language, table_open = "", "", "", False
    for place, line in enumerate(lines):
        mark = line.strip()
        if fence:
            is_end = mark == fence
            out += [] if fence == "////" else [(place, "```" if is_end else line)]
            fence = "" if is_end else fence
        elif mark in _ADOC_FENCES or mark == "////":
            fence = mark
            out += [] if mark == "////" else [(place, f"```{language}")]
            language = ""
        elif mark == "|===":
            table_open = not table_open
            out.append((place, ""))
        elif table_open:
            out.append((place, _format_adoc_row(mark)))
        elif source := re.match(r"\[source(?:%\w+)?,\s*([\w+#.-]+)", mark):
            language = source[1]
        elif heading := re.match(r"(={1,6}) (\S.*)", line):
            title = title or (heading[2].strip() if len(heading[1]) == 1 else "")
            out.append((place, f"{'#' * len(heading[1])} {_convert_adoc_inline(heading[2])}"))
        elif mark.startswith("//") or re.fullmatch(r":!?[\w-]+!?:.*|\[\[?[^\]]*\]\]?|[=*_+-]{4,}|<<<|'''|--", mark):
            out += [(place, "")] if mark.startswith(("=", "*", "'", "-", "_")) else []
        elif block_title := re.match(r"\.([^\s.].*)", line):
            out += [(place, f"**{_convert_adoc_inline(block_title[1])}**"), (place, "")]
        else:
            out.append((place, _convert_adoc_line(line)))
    return title, out


def _convert_adoc_line(line: str) -> str:
    line = "" if line.strip() == "+" else line.removesuffix(" +")
    if admonition := _ADOC_ADMONITION.match(line):
        line = f"**{admonition[1].capitalize()}:** {line[admonition.end() :]}"
    elif item := re.match(r"\s*(\*{1,5}|-|\.{1,5})\s+(?=\S)", line):
        mark = "1." if item[1].startswith(".") else "-"
        line = f"{'  ' * (len(item[1]) - 1)}{mark} {line[item.end() :]}"
    elif term := re.match(r"\s*([^:].*?)(?:::|;;)(?:\s+(.*))?$", line):
        line = f"**{term[1]}**: {term[2] or ''}".rstrip()
    return _convert_adoc_inline(line)


def _format_adoc_row(line: str) -> str:
    cells = [cell.strip() for cell in re.split(r"(?:\d+(?:\.\d+)?[+*])?[<^>.a-z]*\|", line)[1:]]
    return f"| {' | '.join(map(_convert_adoc_inline, cells))} |" if cells else _convert_adoc_inline(line)


def _convert_adoc_inline(text: str) -> str:
    text = re.sub(r"(?:link:|xref:)?(https?://[^\s\[\]<>]+)\[([^\]]+?)(?:,[^\]]*)?\]", r"[\2](\1)", text)
    text = re.sub(r"(?:link|xref|mailto):[^\s\[\]]+\[([^\]]*)\]", r"\1", text)
    text = re.sub(r"<<[^,<>]+,\s*([^<>]+)>>|<<([^,<>]+)>>", lambda match: match[1] or match[2], text)
    text = re.sub(r"image::?([^\s\[\]]+)\[([^\]]*)\]", lambda match: f"(image: {match[2]})" if match[2] else "", text)
    text = re.sub(r"footnote:?\w*:?\[([^\]]*)\]", r" (\1)", text)
    text = re.sub(r"(?:kbd|btn|menu|pass|anchor|indexterm2?):\w*\[([^\]]*)\]", r"\1", text)
    return re.sub(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])", r"**\1**", text)


# --- Org


def _convert_org(lines: Sequence[str]) -> tuple[str, list[_Line]]:
    out: list[_Line] = []
    title, block, in_drawer = "", "", False
    for place, line in enumerate(lines):
        mark = line.strip()
        if block:
            is_end = mark.lower().startswith(f"#+end_{block}")
            is_code = block in {"src", "example"}
            if block != "comment" and (is_code or not is_end):
                out.append((place, "```" if is_end else line if is_code else _convert_org_inline(line)))
            block = "" if is_end else block
        elif begin := re.match(r"#\+begin_(\w+)(?:\s+([\w+#-]+))?", mark, re.IGNORECASE):
            block = begin[1].lower()
            if block in {"src", "example"}:
                out.append((place, f"```{begin[2] or ''}"))
        elif in_drawer or re.fullmatch(r":[\w-]+:", mark):
            in_drawer = mark.upper() != ":END:"
        elif keyword := re.match(r"#\+(\w+):\s*(.*)", mark):
            title = title or (keyword[2] if keyword[1].lower() == "title" else "")
            out += [(place, keyword[2])] if keyword[1].lower() == "caption" else []
        elif heading := re.match(
            r"(\*+)\s+(?:(?:TODO|DONE|WAITING|NEXT)\s+)?(?:\[#.\]\s+)?(.*?)(?:\s+:[\w@:]+:)?\s*$", line
        ):
            out.append((place, f"{'#' * min(len(heading[1]), 6)} {_convert_org_inline(heading[2])}"))
        elif not re.match(r"#(?:\s|$)|(?:SCHEDULED|DEADLINE|CLOSED):", mark):
            out.append((place, _convert_org_inline(re.sub(r"^\|[-+]+\|?$", "", line))))
    return title, out


def _convert_org_inline(text: str) -> str:
    text = re.sub(r"\[\[(https?://[^\]]+)\]\[([^\]]+)\]\]", r"[\2](\1)", text)
    text = re.sub(r"\[\[[^\]]+\]\[([^\]]+)\]\]|\[\[([^\]]+)\]\]", lambda match: match[1] or match[2], text)
    return re.sub(r"(?<![\w=~])[=~]([^=~\s](?:[^=~\n]*[^=~\s])?)[=~](?![\w=~])", r"`\1`", text)


# --- LaTeX

_LATEX_LEVELS: Final = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
_LATEX_CODE: Final = frozenset({"verbatim", "lstlisting", "minted", "Verbatim", "alltt"})
_LATEX_SPECIAL: Final = {
    r"\&": "&",
    r"\%": "%",
    r"\$": "$",
    r"\#": "#",
    r"\_": "_",
    r"\{": "{",
    r"\}": "}",
    "---": "—",
    "--": "–",
    "``": "“",
    "''": "”",
    r"\ldots": "…",
    r"\dots": "…",
    "~": " ",
}
_LATEX_IGNORED = re.compile(
    r"\\(?:label|index|vspace|hspace|includegraphics|usepackage|documentclass|bibliography\w*|pagestyle|input|include"
    r"|newpage|clearpage|noindent|centering|maketitle|tableofcontents|setlength|newcommand|renewcommand|small|large)\b"
    r"\*?(?:\[[^\]]*\])?(?:\{[^{}]*\})*"
)


def _convert_latex(lines: Sequence[str]) -> tuple[str, list[_Line]]:
    out: list[_Line] = []
    title, code = "", ""
    has_body = any("\\begin{document}" in line for line in lines)
    in_body = not has_body
    for place, line in enumerate(lines):
        if code:
            is_end = f"\\end{{{code}}}" in line
            out.append((place, "```" if is_end else line))
            code = "" if is_end else code
            continue
        plain = re.sub(r"(?<!\\)%.*", "", line)
        if named := re.search(r"\\title(?:\[[^\]]*\])?\{(.*)\}", plain):
            title = title or _convert_latex_inline(named[1])
        if "\\begin{document}" in plain or "\\end{document}" in plain:
            in_body = "\\begin{document}" in plain
        elif begin := re.search(r"\\begin\{(\w+)\*?\}", plain):
            code = begin[1] if begin[1] in _LATEX_CODE else ""
            out += [(place, "```")] if code else [(place, "")]
        elif in_body and (plain.strip() or not line.strip()) and "\\end{" not in plain:
            out.append((place, _convert_latex_line(plain)))
    return title, out


def _convert_latex_line(line: str) -> str:
    heading = re.match(r"\s*\\(\w+)\*?(?:\[[^\]]*\])?\{(.*)\}\s*(?:\\label\{[^}]*\})?\s*$", line)
    if heading is not None and heading[1] in _LATEX_LEVELS:
        return f"{'#' * _LATEX_LEVELS[heading[1]]} {_convert_latex_inline(heading[2])}"
    line = re.sub(r"^\s*\\item\s*\[([^\]]*)\]\s*", r"- **\1**: ", line)
    line = re.sub(r"^\s*\\item\b\s*", "- ", line)
    if re.search(r"(?<!\\)&", line):
        line = "| " + re.sub(r"\s*(?<!\\)&\s*", " | ", re.sub(r"\\\\.*$", "", line).strip()) + " |"
    return _convert_latex_inline(line)


def _convert_latex_inline(text: str) -> str:
    text = re.sub(r"\\href\{([^{}]*)\}\{([^{}]*)\}", r"[\2](\1)", text)
    text = re.sub(r"\\(?:texttt|verb\|?|code|lstinline)\{([^{}]*)\}", r"`\1`", text)
    text = re.sub(r"\\footnote\{([^{}]*)\}", r" (\1)", text)
    text = _LATEX_IGNORED.sub("", text)
    for _ in range(4):  # commands inside one another
        text = re.sub(r"\\(?:[a-zA-Z]+)\*?(?:\[[^\]]*\])?\{([^{}]*)\}", r"\1", text) if "$" not in text else text
    for written, shown in _LATEX_SPECIAL.items():
        text = text.replace(written, shown)
    return text.replace("\\\\", " ").rstrip()
