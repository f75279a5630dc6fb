"""Reads web pages: their main part as Markdown, without menus, controls and what is hidden for good."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, cast

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.html_tables import fill_table
from bot.knowledge.readers.page import LEFT_OUT, TITLE_SEPARATOR, Page, clean_text, parse_http_url
from bot.knowledge.readers.text import BINARY_SIGNATURES, decode_text, parse_front_matter
from bot.knowledge.splitting.headings import strip_heading_markup

TAG_LIMIT: Final = 400_000

_IGNORED_TAGS = """
    script style nav footer noscript template iframe svg object embed input textarea select option datalist head canvas
    video audio map dialog
"""
_HEADINGS_AND_SUMMARY: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "summary"})
_REVEALING_CONTROLS = (
    "//*[@aria-controls or @data-target or @data-bs-target"
    " or (@href and (@role='tab' or @role='button' or @data-toggle or @data-bs-toggle))]"
)
_LOWERCASE_STYLE = "translate(@style, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ ', 'abcdefghijklmnopqrstuvwxyz')"
_HIDDEN = (
    "//*[@hidden or @aria-hidden='true'"
    f" or contains({_LOWERCASE_STYLE}, 'display:none') or contains({_LOWERCASE_STYLE}, 'visibility:hidden')]"
)
_FURNITURE = (
    "//*[@role='navigation' or @role='search' or @role='contentinfo'"
    + "".join(
        f" or contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"
        for name in ("headerlink", "related", "sphinxsidebar", "navheader", "navfooter", "prev-next-area", "nav-panel")
    )
    + "]"
)
_MENU_NAMES: Final = frozenset(
    {"menu", "nav", "navbar", "navigation", "sidebar", "breadcrumb", "breadcrumbs", "toc", "header", "footer", "pager"}
)
_BLOCKS: Final = frozenset({"div", "section", "ul", "ol"})
_MIN_LINK_SHARE: Final = 0.5  # share of letters inside links from which on a block of such a name is a menu
_MAX_MENU_PROSE: Final = 300  # letters outside of links from which on a block is no menu, whatever its name
_MAX_PAGER_LETTERS: Final = 400  # of a block that leads to the pages before and after
_MIN_INDEX_LINKS: Final = 40  # links to other pages of the same site on a page that is an index or a table of contents
_MIN_INDEX_SHARE: Final = 0.85  # of its letters that are inside such links
_MAX_SEARCH_LETTERS: Final = 600  # on a page that only holds a search form
_SEARCH_FORM = "//*[@id='search-results'] | //input[@type='search' or @name='q']"
_LONGEST_ALT: Final = 300  # characters of an image's alternative text
_ARROWS: Final = " \n\t[]()<>\u00ab\u00bb\u2190\u2192"
_LONGEST_MANUAL_NAME: Final = 80  # characters
_MANUAL_GENERATORS: Final = ("mkdocs", "hugo", "docusaurus", "antora", "doxygen", "sphinx", "jekyll", "vitepress")
_TOO_DEEP_MESSAGE: Final = "HTML is nested too deeply"
_NAVIGATION_WORDS = frozenset(
    {"prev", "previous", "next", "up", "home", "index", "contents", "top", "back", "«", "»", "←", "→"}
)


def read_html(content: bytes) -> list[Page]:
    """Read an HTML file as Markdown; its title may stand in front matter too."""
    declared = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{2,40})", content[:4096], re.IGNORECASE)
    try:
        content.decode("utf-8")
        text = decode_text(content)
    except UnicodeDecodeError:
        text = _decode_declared(content, declared.group(1).decode("ascii", "replace") if declared else "")
    fields, body, _ = parse_front_matter(text)
    page = parse_html(body, refuse_indexes=True)
    return [replace(page, title=fields.get("title") or page.title, url=page.url or parse_http_url(fields.get("url")))]


def _decode_declared(content: bytes, encoding: str) -> str:
    if encoding and not content.startswith((*BINARY_SIGNATURES, b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            pass  # the declaration is wrong; the encoding is guessed like any other text's
    return decode_text(content)


def parse_html(text: str, *, refuse_indexes: bool = False) -> Page:
    """Return a page's title, address and text.

    The title is the first heading, with the name of the manual that the page belongs to where the page tells it.

    Raises:
        DocumentUnreadable: It has too many tags, tags nested too deeply, or none at all; with ``refuse_indexes`` also
            if it only leads to other pages.
    """
    from lxml import etree, html  # noqa: PLC0415 - loaded with the first such file

    if text.count("<") > 2 * TAG_LIMIT:
        raise DocumentUnreadable(f"more than {TAG_LIMIT:,} HTML tags")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = html.document_fromstring(clean_text(text).encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise DocumentUnreadable("empty file") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise DocumentUnreadable(_TOO_DEEP_MESSAGE)  # the parser leaves out what is deeper, and would not say so
    title = " ".join(str(tree.findtext(".//title") or "").split())
    canonical = [str(each.get("href", "")) for each in _find_elements(tree, "//link[@rel='canonical']")]
    manual = _find_manual_name(tree, title)
    has_search_form = bool(_find_elements(tree, _SEARCH_FORM))
    body = _find_main_content(tree, refuse_indexes=refuse_indexes)
    if refuse_indexes and has_search_form and 0 < _count_letters(body.text_content()) < _MAX_SEARCH_LETTERS:
        raise DocumentUnreadable(f"{LEFT_OUT}a page to search other pages")
    headings = _find_elements(body, ".//h1")
    if headings and (words := " ".join(headings[0].text_content().split())):
        title = strip_heading_markup(words)
    if title and manual and manual.casefold() not in title.casefold():
        title = f"{title}{TITLE_SEPARATOR}{manual}"
    url = parse_http_url(canonical[0].strip()) if canonical else None
    return Page(re.sub(r"\n{3,}", "\n\n", _convert_to_markdown(html.tostring(body, encoding="unicode"))), title, url)


def _convert_to_markdown(source: str) -> str:
    from markdownify import markdownify  # noqa: PLC0415 - loaded with the first such file

    try:
        return str(
            markdownify(
                source,
                heading_style="ATX",
                bullets="-",
                escape_asterisks=False,
                escape_underscores=False,
                escape_misc=False,
                code_language_callback=_find_code_language,
            )
        )
    except RecursionError as error:
        raise DocumentUnreadable(_TOO_DEEP_MESSAGE) from error


def _find_code_language(element: Any) -> str:
    """Return a code block's language where a class names it: ``highlight-python``, ``language-sh``."""
    code = element.find("code")
    wrappers = [element, element.parent, element.parent.parent if element.parent else None, code]
    for each in wrappers:
        for name in (each.get("class") or []) if each is not None and hasattr(each, "get") else []:
            if match := re.fullmatch(r"(?:highlight|language|lang)-([a-z0-9+#]{1,20})", str(name)):
                return "" if match.group(1) in {"default", "none", "text", "notranslate"} else match.group(1)
    return ""


def _find_manual_name(tree: Any, title: str) -> str:
    """Return the name of the manual or site that a page says it is part of; "" where it does not."""
    for path in ("//meta[@property='og:site_name']/@content", "//link[@rel='home' or @rel='start']/@title"):
        for value in _find_elements(tree, path):
            if (name := " ".join(str(value).split())) and name.casefold() not in _NAVIGATION_WORDS:
                return name[:_LONGEST_MANUAL_NAME]
    generator = "".join(map(str, _find_elements(tree, "//meta[@name='generator']/@content")))
    has_documentation_options = bool(_find_elements(tree, "//script[@id='documentation_options']"))
    _, dash, name = title.rpartition(" \u2014 ") if has_documentation_options else title.rpartition(" - ")
    is_known = has_documentation_options or generator.lower().startswith(_MANUAL_GENERATORS)
    return re.sub(r"\s*(?:\(?v?\d[\w.]*\)?)?(?: documentation)?$", "", name) if dash and is_known else ""


def _find_main_content(tree: Any, *, refuse_indexes: bool) -> Any:
    """Return the part of a page that holds its text, without what only a browser needs."""
    _unwrap_controls(tree)
    _drop_furniture(tree)
    if refuse_indexes and _is_index(tree):
        raise DocumentUnreadable(f"{LEFT_OUT}an index or table of contents, which only leads to other pages")
    for link in _find_elements(tree, "//a[not(starts-with(@href, 'http'))]"):
        link.drop_tag()
    _write_out_images(tree)
    for summary in _find_elements(tree, "//summary"):
        summary.tag = "strong"
        _wrap_in_paragraph(summary)
    for table in _find_elements(tree, "//table[not(.//table)]"):
        fill_table(table)
    for path in ("//main | //*[@role='main']", "//article[.//h1]"):
        mains = [each for each in _find_elements(tree, path) if each.text_content().strip()]
        if mains:
            return mains[0] if len(mains) == 1 else tree
    return tree


def _unwrap_controls(tree: Any) -> None:
    """Keep what is inside forms, and the text of a button that is a heading; drop other buttons."""
    for element in _find_elements(tree, "//form | //fieldset | //legend"):
        element.drop_tag()  # with some frameworks a whole page is one form
    for button in _find_elements(tree, "//button | //*[@role='button']"):
        is_heading = _find_elements(
            button, "ancestor::h1 | ancestor::h2 | ancestor::h3 | ancestor::h4 | ancestor::summary"
        )
        if not is_heading and button.tag not in _HEADINGS_AND_SUMMARY and button.getparent() is not None:
            button.drop_tree()
        elif button.tag == "button":
            button.drop_tag()


def _drop_furniture(tree: Any) -> None:
    revealed = _find_revealed_ids(tree)
    for element in [
        *(each for each in _find_elements(tree, _HIDDEN) if not _is_revealed(each, revealed)),
        *_find_elements(tree, _FURNITURE),
        *tree.iter(*_IGNORED_TAGS.split()),
        *_find_elements(tree, "//aside[not(ancestor::main or ancestor::article or ancestor::*[@role='main'])]"),
        *filter(_is_navigation_table, tree.iter("table")),
        *_find_menus(tree),
        *filter(_is_heading_anchor, _find_elements(tree, "//h1//a | //h2//a | //h3//a | //h4//a | //h5//a | //h6//a")),
    ]:
        if element.getparent() is not None:
            element.drop_tree()


def _find_revealed_ids(tree: Any) -> frozenset[str]:
    """Return the ids of what a control of the page shows: tab panels, accordions, collapsed parts."""
    found: set[str] = set()
    for control in _find_elements(tree, _REVEALING_CONTROLS):
        names = [control.get(name) or "" for name in ("aria-controls", "data-target", "data-bs-target", "href")]
        found.update(name for value in names for name in value.replace("#", " ").split() if "/" not in name)
    return frozenset(found)


def _is_revealed(element: Any, revealed: frozenset[str]) -> bool:
    """Whether a reader of the page can make this hidden part visible; what no control shows stays out."""
    return element.get("role") == "tabpanel" or element.get("id", "") in revealed


def _write_out_images(tree: Any) -> None:
    """Put an image's alternative text in its place; one without any is dropped."""
    for image in [*tree.iter("img", "picture")]:
        if image.getparent() is None or image.tag == "picture":
            continue
        text = " ".join(str(image.get("alt") or "").split())[:_LONGEST_ALT]
        image.tail = (f"(image: {text})" if len(text.split()) > 1 else "") + (image.tail or "")
        image.drop_tree()


def _wrap_in_paragraph(element: Any) -> None:
    from lxml import html  # noqa: PLC0415 - as above

    parent = element.getparent()
    if parent is None:
        return
    paragraph = html.Element("p")
    paragraph.tail, element.tail = element.tail, None
    parent.replace(element, paragraph)
    paragraph.append(element)


def _find_menus(tree: Any) -> list[Any]:
    """Return blocks that only lead elsewhere: named so, or inside a page's header, and mostly made of links.

    The tree is gone through once, whatever its form.
    """
    from lxml import etree  # noqa: PLC0415 - as above

    found: list[Any] = []
    counts = [(0, 0)]  # letters, and those of links, of each element that is open
    links = heads = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        step = 1 if event == "start" else -1
        letters, linked = (0, 0) if event == "start" else counts.pop()
        if event == "end" and element.tag in _BLOCKS and linked >= letters * _MIN_LINK_SHARE:
            is_menu = letters - linked < _MAX_MENU_PROSE and (heads or _is_named_menu(element))
            found += [element] if is_menu or (letters < _MAX_PAGER_LETTERS and _is_pager(element)) else []
        links += step * (element.tag == "a")
        heads += step * (element.tag == "header")
        more = _count_letters(element.text if event == "start" else element.tail)
        counts += [(0, 0)] if event == "start" else []
        all_before, linked_before = counts[-1]
        counts[-1] = all_before + letters + more, linked_before + linked + (more if links else 0)
    return found


def _is_index(tree: Any) -> bool:
    """Whether nearly all text of a page is links to other pages of the same site."""
    links = _find_elements(tree, "//a[@href and not(contains(@href, '://')) and not(starts-with(@href, '#'))]")
    if len(links) < _MIN_INDEX_LINKS:
        return False
    linked = sum(_count_letters(link.text_content()) for link in links)
    return linked >= _MIN_INDEX_SHARE * _count_letters(tree.text_content())


def _is_pager(element: Any) -> bool:
    """Whether a block only leads to the pages before and after."""
    texts = (next((text for text in map(str, link.itertext()) if text.strip()), "") for link in element.iter("a"))
    first = {re.split(r"[\s:]", text.strip(_ARROWS).casefold(), maxsplit=1)[0] for text in texts} - {""}
    return not first.isdisjoint({"prev", "previous", "next"}) and first <= _NAVIGATION_WORDS


def _is_named_menu(element: Any) -> bool:
    if element.find(".//h1") is not None:
        return False
    named = f"{element.get('class', '')} {element.get('id', '')}".lower()
    return not _MENU_NAMES.isdisjoint(re.split(r"[\W_]+", named))


def _count_letters(text: str | None) -> int:
    return len("".join(text.split())) if text else 0


def _is_heading_anchor(link: Any) -> bool:
    """Whether a link is the permalink sign behind a heading."""
    return str(link.text_content()).strip() in {"#", "¶", "§", "🔗"}


def _is_navigation_table(table: Any) -> bool:
    """Whether a table only leads to the pages before and after, as in older manuals."""
    cells = _find_elements(table, ".//td | .//th")
    if not 1 < len(cells) <= 10:  # noqa: PLR2004 - such a table has two rows of three, or one of a few
        return False
    words = [" ".join(str(cell.text_content()).split()).lower() for cell in cells]
    has_way = any(word in {"prev", "previous", "next", "« prev", "next »"} for word in words)
    return has_way and all(
        not word or word in _NAVIGATION_WORDS or len(word.split()) <= 12  # noqa: PLR2004 - the neighbouring pages' titles
        for word in words
    )


def _find_elements(tree: Any, path: str) -> list[Any]:
    """Return the elements on this path; lxml's types do not follow XPath."""
    return cast("list[Any]", tree.xpath(path))
