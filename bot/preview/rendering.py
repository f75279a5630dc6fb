"""Discord's Markdown in, safe HTML out: what a message's text looks like on the preview's page.

Discord is not CommonMark: every newline breaks a line, a code fence nobody closed is shown as backticks, headings end
at ``###``, and there are no tables, images, rules or HTML. markdown-it-py does the reading with what Discord lacks
switched off and what Discord adds (spoilers, subtext, underline, mentions, timestamps, masked links) put in.

Whatever text comes in, the HTML is well-formed and holds only the tags and attributes written here; links are http(s).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_block import heading as commonmark_heading
from markdown_it.rules_block import list_block as commonmark_list
from markdown_it.rules_inline import link as commonmark_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.ruler import RuleOptionsType
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

_DISABLED_BLOCK_RULES = ["code", "hr", "html_block", "lheading", "reference"]
_DISABLED_INLINE_RULES = ["autolink", "entity", "html_inline", "image"]
_MAX_NESTING = 60
"""Lists and quotes nested deeper than this are dropped; the limit keeps Python's stack small."""

_FENCE = re.compile(r"```(?:([a-z0-9_+\-.#]+)\n)?\n*([^\n].*?)\n*```", re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(r"#{1,3}[ \t]+(?!#)\S")
_ITEM = re.compile(r"(?:[-*]|\d{1,9}\.)[ \t]+\S")
_SUBTEXT = re.compile(r"-#[ \t]+(\S.*)")
_QUOTE_LINE = re.compile(r"[ ]*>(?:[ ]+(.*)|$)")
_QUOTE_REST = re.compile(r"[ ]*>>>[ ]+(.*)", re.DOTALL)
_SPOILER = re.compile(r"\|\|(.+?)\|\|", re.DOTALL)
_BARE_LINK = re.compile(r"://[^\s<\]]*[^\s<.,:;\"'\]*_~|]")
_SCHEME = re.compile(r"(?<![a-z0-9])https?$", re.IGNORECASE)
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_LOOKS_LIKE_ADDRESS = re.compile(r"\s*(?:https?://|www\.)\S", re.IGNORECASE)
_ANGLE_MARKUP = re.compile(
    r"<(?:"
    r"(?P<url>https?://[^\s<>]+)"
    r"|@[!&]?(?P<member>\d{1,20})"
    r"|#(?P<channel>\d{1,20})"
    r"|/(?P<command>[^<>\n:]{1,100}):\d{1,20}"
    r"|a?:(?P<emoji>\w{2,32}):\d{1,20}"
    r"|t:(?P<time>-?\d{1,13})(?::(?P<style>[tTdDfFR]))?"
    r")>",
    re.IGNORECASE,
)

# "#" stands for the day without a leading nought, which not every platform's strftime can write.
_TIME_STYLES = {
    "t": "%H:%M",
    "T": "%H:%M:%S",
    "d": "%d/%m/%Y",
    "D": "# %B %Y",
    "f": "# %B %Y %H:%M",
    "F": "%A, # %B %Y %H:%M",
}
_TIME_UNITS = ((31_536_000, "year"), (2_592_000, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute"))


class DiscordMarkdown:
    """Reads Discord's Markdown and writes HTML; one serves for any number of texts."""

    def __init__(self) -> None:
        self._parser = _build_parser()

    def render(self, text: str, *, names: Mapping[str, str], now: float) -> str:
        """The HTML of a message's text.

        Args:
            text: what the bot sent.
            names: how members, roles and channels are called, by id.
            now: seconds since the epoch, against which "2 minutes ago" is reckoned.
        """
        return cast("str", self._parser.render(_join_surrogates(text), {"names": names, "now": now}))


def _join_surrogates(text: str) -> str:
    """The text with surrogate pairs joined and lone halves replaced, so that it can go out as UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _build_parser() -> MarkdownIt:
    reader = MarkdownIt(
        "commonmark", {"html": False, "breaks": True, "xhtmlOut": False, "maxNesting": _MAX_NESTING}
    ).disable([*_DISABLED_BLOCK_RULES, *_DISABLED_INLINE_RULES])
    reader.enable("strikethrough")
    reader.validateLink = _is_web_address  # type: ignore[method-assign] # markdown-it's documented way to narrow it
    interrupts: RuleOptionsType = {"alt": ["paragraph", "blockquote", "list"]}
    blocks = reader.block.ruler
    blocks.at("fence", _fence, interrupts)
    blocks.at("blockquote", _quote, interrupts)
    blocks.at("heading", _heading, interrupts)
    blocks.at("list", _list, {"alt": ["paragraph", "blockquote"]})
    blocks.at("paragraph", _paragraph)
    blocks.before("list", "subtext", _subtext, interrupts)
    reader.inline.add_terminator_char("|")
    inline = reader.inline.ruler
    inline.at("link", _masked_link)
    inline.before("backticks", "code_in_line", _code_in_line)
    inline.before("link", "spoiler", _spoiler)
    inline.before("link", "bare_link", _bare_link)
    inline.before("link", "sign", _angle_markup)
    written: dict[str, Callable[..., str]] = {
        "link_open": _render_link_open,
        "strong_open": _render_strong_open,
        "strong_close": _render_strong_close,
        "code_in_line": _render_code_in_line,
        "chip": _render_mention,
        "moment": _render_timestamp,
    }
    for name, rule in written.items():
        reader.add_render_rule(name, rule)
    return reader


def _is_web_address(url: str) -> bool:
    return _WEB_ADDRESS.match(url) is not None


# Blocks. Each takes (state, first line, line after the last, whether only to ask) and says whether it knows the block.


def _get_line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _get_lines(state: StateBlock, start: int, end: int) -> str:
    return state.getLines(start, end, state.blkIndent, keepLastLF=False)


def _block_class(state: StateBlock, start: int, name: str = "") -> dict[str, str | int | float]:
    """A block's class; ``gap`` says that an empty line stands above it, which Discord shows and CommonMark does not."""
    has_gap = start > 0 and state.isEmpty(start - 1)
    names = " ".join(filter(None, [name, "gap" if has_gap else ""]))
    return {"class": names} if names else {}


def _heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    return _HEADING.match(_get_line(state, start)) is not None and commonmark_heading(state, start, end, silent)


def _list(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    opened = len(state.tokens)
    if _ITEM.match(_get_line(state, start)) is None or not commonmark_list(state, start, end, silent):
        return False
    if not silent:
        state.tokens[opened].attrs |= _block_class(state, start)
    return True


def _paragraph(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001, ARG001 - likewise
    """Lines up to an empty one, another block, or one that stands left of this list item (Discord is never lazy)."""
    interrupting = state.md.block.ruler.getRules("paragraph")
    line = start + 1
    while line < state.lineMax and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        if any(rule(state, line, end, True) for rule in interrupting):  # noqa: FBT003 - markdown-it's signature
            break
        line += 1
    state.line = line
    _push_inline(state, "paragraph", "p", _get_lines(state, start, line).strip(), _block_class(state, start))
    return True


def _subtext(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001, ARG001 - likewise
    found = _SUBTEXT.match(_get_line(state, start))
    if found is None:
        return False
    if not silent:
        state.line = start + 1
        _push_inline(state, "subtext", "div", found[1].strip(), _block_class(state, start, "subtext"))
    return True


def _push_inline(
    state: StateBlock, kind: str, tag: str, content: str, attributes: dict[str, str | int | float]
) -> None:
    opened = state.push(f"{kind}_open", tag, 1)
    opened.attrs = attributes
    inside = state.push("inline", "", 0)
    inside.content = content
    inside.children = []
    state.push(f"{kind}_close", tag, -1)


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """A code block. Discord wants the closing fence; without one the backticks are only text."""
    if not _get_line(state, start).startswith("```"):
        return False
    text = _get_lines(state, start, end)
    found = _FENCE.match(text.lstrip(" \t"))
    if found is None:
        return False
    if not silent:
        code = state.push("fence", "code", 0)
        code.info, code.content = (found[1] or "").lower(), found[2]
        last = start + found[0].count("\n")
        behind = found.string[found.end() :].partition("\n")[0]
        state.line = last + 1
        state.md.block.parse(behind.strip(), state.md, state.env, state.tokens)
    return True


def _quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """``> `` quotes its line, ``>>> `` all that follows. A quote inside a quote is only text."""
    if state.env.get("is_quoted"):
        return False
    rest = _QUOTE_REST.match(_get_lines(state, start, end)) if _get_line(state, start).startswith(">>> ") else None
    lines = [rest[1]] if rest else _collect_quoted_lines(state, start, end)
    if not lines:
        return False
    if not silent:
        state.line = end if rest else start + len(lines)
        state.push("blockquote_open", "blockquote", 1).attrs = _block_class(state, start)
        state.md.block.parse("\n".join(lines), state.md, {**state.env, "is_quoted": True}, state.tokens)
        state.push("blockquote_close", "blockquote", -1)
    return True


def _collect_quoted_lines(state: StateBlock, start: int, end: int) -> list[str]:
    if not _get_line(state, start).startswith("> "):
        return []
    lines: list[str] = []
    for line in range(start, end):
        found = _QUOTE_LINE.fullmatch(_get_line(state, line))
        if found is None:
            break
        lines.append(found[1] or "")
    return lines


# Inline signs. Each takes (state, whether only to ask), moves ``state.pos`` behind what it knows and says so.


def _code_in_line(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    found = _FENCE.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("code_in_line", "code", 0).content = found[2]
    state.pos = found.end()
    return True


def _spoiler(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    found = _SPOILER.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        outer = state.posMax
        state.push("spoiler_open", "span", 1).attrs = {"class": "spoiler", "role": "button", "tabindex": "0"}
        state.pos, state.posMax = found.span(1)
        state.md.inline.tokenize(state)
        state.push("spoiler_close", "span", -1)
        state.posMax = outer
    state.pos = found.end()
    return True


def _masked_link(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """``[label](<address>)``; a label that itself looks like an address is no link to Discord."""
    if state.src[state.pos] != "[":
        return False
    label = state.src[state.pos + 1 : state.md.helpers.parseLinkLabel(state, state.pos, disableNested=True)]
    return not _LOOKS_LIKE_ADDRESS.match(label) and commonmark_link(state, silent)


def _bare_link(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """An address as it stands. By the time its colon is seen, "https" is already among the pending text."""
    found = _BARE_LINK.match(state.src, state.pos, state.posMax)
    scheme = _SCHEME.search(state.pending)
    if found is None or scheme is None or state.linkLevel > 0:
        return False
    url = _strip_stray_bracket(scheme[0] + found[0])
    if not _is_web_address(url):
        return False
    if not silent:
        state.pending = state.pending[: scheme.start()]
        _push_link(state, url)
    state.pos += len(url) - len(scheme[0])
    return True


def _strip_stray_bracket(url: str) -> str:
    """The bracket that closes a remark (see https://example.org) belongs to the remark."""
    return url[:-1] if url.endswith(")") and url.count(")") > url.count("(") else url


def _push_link(state: StateInline, url: str) -> None:
    state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(url)}
    state.push("text", "", 0).content = url
    state.push("link_close", "a", -1)


def _angle_markup(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """What Discord writes between angle brackets: mentions, commands, emoji, moments, addresses without a preview."""
    found = _ANGLE_MARKUP.match(state.src, state.pos, state.posMax)
    if found is None or (found["time"] and _parse_timestamp(float(found["time"])) is None):
        return False
    if found["url"] and (state.linkLevel > 0 or not _is_web_address(found["url"])):
        return False
    if not silent:
        _push_angle_markup(state, found)
    state.pos = found.end()
    return True


def _push_angle_markup(state: StateInline, found: re.Match[str]) -> None:
    if found["url"]:
        _push_link(state, found["url"])
    elif found["time"]:
        token = state.push("moment", "time", 0)
        token.meta = {"at": float(found["time"]), "style": found["style"] or "f"}
    elif found["emoji"]:
        state.push("text", "", 0).content = f":{found['emoji']}:"
    else:
        state.push("chip", "span", 0).content = _format_mention(found, state.env["names"])


def _format_mention(found: re.Match[str], names: Mapping[str, str]) -> str:
    if found["member"]:
        return "@" + names.get(found["member"], "unknown-member")
    if found["channel"]:
        return "#" + names.get(found["channel"], "unknown-channel")
    return "/" + found["command"]


# Writing: tokens to HTML where Discord differs.


def _render_link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    token.attrs = {
        "href": token.attrs["href"],
        "rel": "noreferrer noopener nofollow",
        "target": "_blank",
    }
    return renderer.renderToken(tokens, index, options, env)


def _render_strong_open(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_: object) -> str:
    return "<u>" if tokens[index].markup == "__" else "<strong>"


def _render_strong_close(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_: object) -> str:
    return "</u>" if tokens[index].markup == "__" else "</strong>"


def _render_code_in_line(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_: object) -> str:
    return f'<code class="block">{escapeHtml(tokens[index].content)}</code>'


def _render_mention(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_: object) -> str:
    return f'<span class="chip">{escapeHtml(tokens[index].content)}</span>'


def _render_timestamp(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    at, style = tokens[index].meta["at"], tokens[index].meta["style"]
    moment = _parse_timestamp(at) or datetime.fromtimestamp(0, UTC)
    words = format_relative_time(at - env["now"]) if style == "R" else _format_timestamp(moment, style)
    exact = _format_timestamp(moment, "F")
    return f'<time datetime="{moment.isoformat()}" title="{exact}">{words}</time>'


def _parse_timestamp(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _format_timestamp(moment: datetime, style: str) -> str:
    return f"{moment.strftime(_TIME_STYLES[style]).replace('#', str(moment.day))} UTC"


def format_relative_time(seconds: float) -> str:
    """How far a moment is from now, in words: ``format_relative_time(-120)`` is "2 minutes ago"."""
    distance = abs(seconds)
    size, unit = next(((size, unit) for size, unit in _TIME_UNITS if distance >= size), (1, "second"))
    count = int(distance // size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if seconds < 0 else f"in {words}"
