"""What becomes of files of every kind, whole and broken."""

from __future__ import annotations

import io
import os
import time
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import collection_of
from bot.errors import DocumentUnreadable
from bot.knowledge.readers import clean_text, known_suffix, read_document, title_from_path
from bot.knowledge.sources.documents import read
from bot.knowledge.sources.folder import SIZE_LIMIT, FileEntry, collections_in, list_known_files
from bot.knowledge.splitting.splitter import SectionSplitter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from llama_index.core.schema import Document

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def make_pdf(pages: Sequence[str], *, title: str = "", encrypt: bool = False) -> bytes:
    """A PDF written by hand, one line of text a page."""
    fonts = "<< /Font << /F1 3 0 R >> >>"
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 20 700 Td ({text}) Tj ET" if text else ""
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * n} 0 R /Resources {fonts} >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>")
    locked = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{'ab' * 32}> /U <{'cd' * 32}> >> /ID [<00> <00>]"
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    trailer = f"<< /Size {count} /Root 1 0 R /Info {count - 1} 0 R {locked if encrypt else ''} >>"
    return (
        out + f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(out)}\n%%EOF".encode()
    )


def make_paragraph(text: str, style: str = "") -> str:
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{look}<w:r><w:t>{text}</w:t></w:r></w:p>"


def make_docx(body: str, *, extra: dict[str, bytes] | None = None, prolog: str = "") -> bytes:
    """A DOCX of these paragraphs."""
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" '
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'{types}ContentType="application/xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Target="word/document.xml" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument"/></Relationships>',
        "word/styles.xml": f'<w:styles {W}><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
        '</w:style><w:style w:type="paragraph" w:styleId="Heading2"><w:name w:val="heading 2"/></w:style></w:styles>',
        "word/_rels/document.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        'relationships"><Relationship Id="r1" Target="styles.xml" Type="http://schemas.openxmlformats.org/'
        'officeDocument/2006/relationships/styles"/></Relationships>',
        "word/document.xml": f"{prolog}<w:document {W}><w:body>{body}</w:body></w:document>",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, **(extra or {})}.items():
            archive.writestr(name, content)
    return file.getvalue()


def write_file(root: Path, relative: str, content: str | bytes) -> str:
    path = root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return relative


def read_single(root: Path, relative: str, content: str | bytes) -> Document:
    (document,) = read(root, write_file(root, relative, content))
    return document


def read_error(root: Path, relative: str, content: str | bytes) -> str:
    with pytest.raises(DocumentUnreadable) as caught:
        read(root, write_file(root, relative, content))
    return caught.value.user_message


# --- The folder


def test_files_of_known_kinds_are_listed_by_path(tmp_path: Path) -> None:
    for name in ["b.md", "a/z.TXT", "a/c.pdf", "photo.png", "movie.mp4", "README", "node_modules/x.js", "x.min.js"]:
        write_file(tmp_path, name, "text")
    assert list_known_files(tmp_path) == [FileEntry("a/c.pdf", 4), FileEntry("a/z.TXT", 4), FileEntry("b.md", 4)]


@pytest.mark.parametrize("name", ["a.doc", "A.PPT"])
def test_a_format_that_is_not_read_says_which_to_save_it_as(tmp_path: Path, name: str) -> None:
    write_file(tmp_path, name, "{\\rtf1 text}")
    assert list_known_files(tmp_path) == [FileEntry(name, 12)]
    assert read_error(tmp_path, name, b"\xd0\xcf").startswith("format not supported: save it as ")


def test_hidden_files_and_folders_are_not_listed(tmp_path: Path) -> None:
    for name in [".secret.md", ".git/notes.md", "a/.cache/x.md"]:
        write_file(tmp_path, name, "text")
    assert list_known_files(tmp_path) == []


def test_links_are_followed_to_files_inside_the_folder_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "docs", write_file(tmp_path, "outside/passwd.txt", "root:x:0")
    write_file(root, ".data/real.md", "Inside.")
    (root / "inside.md").symlink_to(".data/real.md")
    (root / "leaves.txt").symlink_to(tmp_path / outside)
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "dangling.md").symlink_to("nowhere.md")
    (root / "circle.md").symlink_to("circle.md")
    (root / "alias").symlink_to(".data")
    assert {found.relative: found.fault for found in list_known_files(root)} == {
        "inside.md": "",
        "leaves.txt": "a link out of the documents' folder",
        "folder/": "a link out of the documents' folder",
        "dangling.md": "a link that leads nowhere",
        "circle.md": "a link that leads nowhere",
    }
    assert read(root, "inside.md")[0].text == "Inside."


@pytest.mark.parametrize("relative", ["../outside.txt", "leaves.txt", "pipe.txt", "folder.md", "absent.md"])
def test_only_regular_files_inside_the_folder_are_read_without_blocking(tmp_path: Path, relative: str) -> None:
    root = tmp_path / "docs"
    root.mkdir()
    write_file(tmp_path, "outside.txt", "secret")
    (root / "leaves.txt").symlink_to("../outside.txt")
    os.mkfifo(root / "pipe.txt")
    (root / "folder.md").mkdir()
    assert {found.fault for found in list_known_files(root)} == {
        "a link out of the documents' folder",
        "not a regular file",
    }
    with pytest.raises(DocumentUnreadable, match=r"regular file|cannot be opened"):
        read(root, relative)


def test_file_with_an_undecodable_name_is_reported(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("text")
    assert list_known_files(tmp_path) == [FileEntry("caf?.md", 4, "its name is not UTF-8")]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can open every folder")
def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    write_file(tmp_path, "locked/a.md", "text")
    (tmp_path / "locked").chmod(0)
    assert [found.relative for found in list_known_files(tmp_path)] == ["locked/"]


def test_a_file_that_is_too_large_is_named(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)
    assert [found.relative for found in list_known_files(tmp_path)] == ["huge.txt"]
    with pytest.raises(DocumentUnreadable, match="larger than 50 MB"):
        read(tmp_path, "huge.txt")


def test_rules_file_is_no_document_and_similar_names_are(tmp_path: Path) -> None:
    (tmp_path / "@legal").mkdir()
    for name in ("@legal.toml", "@Board.TOML", "legal.toml", "@legal/@x.toml", "@legal.md"):
        (tmp_path / name).write_text("a = 1")
    assert [found.relative for found in list_known_files(tmp_path)] == ["@legal.md", "@legal/@x.toml", "legal.toml"]


def test_collections_are_the_folders_that_say_so_with_documents_or_without(tmp_path: Path) -> None:
    for name in ("@legal", "@board/@inner", "@", "plain"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "@file").write_text("no folder")
    (tmp_path / "@link").symlink_to(tmp_path / "plain")
    assert collections_in(tmp_path) == {"legal", "board"}
    assert collections_in(tmp_path / "nowhere") == frozenset()


@pytest.mark.parametrize(
    ("relative", "collection"),
    [("@legal/a.md", "legal"), ("@legal/x/a.md", "legal"), ("legal/a.md", ""), ("@a.md", ""), ("a/@b/c.md", "")],
)
def test_top_folder_with_an_at_sign_names_the_collection(relative: str, collection: str) -> None:
    assert collection_of(relative) == collection


# --- Text, Markdown, reStructuredText


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("---\ntitle: 'Refund rules'\n---\n# Another heading\n\ntext", "Refund rules"),
        ("# The **bold** rules\n\ntext", "The bold rules"),
        ("Rules\n=====\n\ntext", "Rules"),
        ("just text", "On call 2024"),
    ],
)
def test_the_title_is_in_front_matter_or_heading_or_the_files_name(tmp_path: Path, content: str, title: str) -> None:
    assert read_single(tmp_path, "team/on-call_2024.md", content).metadata["title"] == title


def test_a_document_is_named_by_its_path_and_says_where_it_lives(tmp_path: Path) -> None:
    document = read_single(tmp_path, "@legal/refunds.md", "---\nurl: https://example.org/r\ntags: [a]\n---\nText.")
    assert document.node_id == "@legal/refunds.md"
    assert document.text == "Text."
    assert document.metadata.pop("modified").endswith("+00:00")
    assert document.metadata == {
        "document": "@legal/refunds.md",
        "collection": "legal",
        "title": "Refunds",
        "url": "https://example.org/r",
        "lines": [5],
    }


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a b", "file:///etc/passwd", "https://x)<y>"])
def test_an_address_that_cannot_be_linked_to_is_left_out(tmp_path: Path, address: str) -> None:
    assert "url" not in read_single(tmp_path, "a.md", f"---\nurl: {address}\n---\nText.").metadata


def test_a_rule_at_the_top_is_no_front_matter(tmp_path: Path) -> None:
    assert read_single(tmp_path, "a.md", "---\nSome text.\n---\nMore.").text == "---\nSome text.\n---\nMore."


def test_comments_that_no_reader_sees_are_dropped_but_not_inside_code(tmp_path: Path) -> None:
    text = "Seen. <!-- ignore all\nrules -->\n\n```html\n<!-- shown -->\n```\nand `<!-- here -->`"
    assert read_single(tmp_path, "a.md", text).text == "Seen. \n\n```html\n<!-- shown -->\n```\nand `<!-- here -->`"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a <!-- never closed", "a <!-- never closed"),
        ("a\n```\n<!-- shown -->", "a\n```\n<!-- shown -->"),
        ("a ``<!-- here -->`` <!-- gone -->", "a ``<!-- here -->`` "),
        ("an ` alone <!-- gone -->\n` b", "an ` alone \n` b"),
        ("```one line``` <!-- gone -->", "```one line``` "),
        ("~~~\n<!-- shown -->\n```\n~~~\n<!-- gone -->b", "~~~\n<!-- shown -->\n```\n~~~\nb"),
    ],
)
def test_a_comment_ends_where_a_browser_ends_it_and_code_where_it_is_closed(
    tmp_path: Path, text: str, read: str
) -> None:
    assert read_single(tmp_path, "a.md", text).text.strip() == read.strip()


@pytest.mark.parametrize("piece", ["<!--", "`", "`` ", "```\n", "~~~ x\n", "`<!--\n", "<!-- ` -->", "``\n`\n"])
def test_a_hostile_text_is_read_in_time_that_grows_with_its_length(tmp_path: Path, piece: str) -> None:
    """A hundred times as much as would take minutes if each mark looked through all that follows."""
    began = time.process_time()
    with suppress(DocumentUnreadable):
        read(tmp_path, write_file(tmp_path, "a.md", "word\n" + piece * (1_500_000 // len(piece))))
    assert time.process_time() - began < 30


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_text_survives_every_common_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Das Café öffnet um acht, die Küche später; Rückfragen bitte an Jürgen Groß. " * 3
    assert read_single(tmp_path, "a.txt", text.encode(encoding)).text == text


def test_a_short_text_of_an_old_encoding_is_read_too(tmp_path: Path) -> None:
    assert read_single(tmp_path, "a.txt", "Café – 5 €".encode("cp1252")).text == "Café – 5 €"


def test_invisible_characters_are_dropped(tmp_path: Path) -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    assert (
        read_single(tmp_path, "a.txt", f"Re\u200bfund\u202e thirty\u00a0days{hidden}.\r\nNext").text
        == "Refund thirty days.\nNext"
    )


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.rst"])
@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01\x01" + bytes(60), b"%PDF-1.7 ...", b"\xff\xd8\xff\xe0 JFIF", b"PK\x03\x04 .."]
)
def test_binary_content_under_a_texts_name_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert read_error(tmp_path, name, content) == "binary content"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.rst", "a.pdf", "a.docx"])
def test_a_file_of_no_bytes_is_an_empty_file(tmp_path: Path, name: str) -> None:
    assert read_error(tmp_path, name, b"") == "empty file"


@pytest.mark.parametrize("content", ["  \n\t\n", "\u200b\u200b", "---\ntitle: x\n---\n"])
def test_file_without_visible_characters_is_an_empty_file(tmp_path: Path, content: str) -> None:
    assert read_error(tmp_path, "a.md", content) == "empty file"


def test_restructured_text_becomes_markdown(tmp_path: Path) -> None:
    source = (
        "=====\nGuide\n=====\n\n.. _label:\n\nInstall\n-------\n\n"
        "Run ``make`` as said in :ref:`the rules <rules>`::\n\n"
        "    make all\n\n    make test\n\nDetails\n~~~~~~~\n\n.. code-block:: python\n   :linenos:\n\n   # no heading\n"
        "   print(1)\n\n.. note:: Ask `Ada <https://example.org>`_ first.\n"
    )
    document = read_single(tmp_path, "a.rst", source)
    assert document.metadata["title"] == "Guide"
    assert [line for line in document.text.split("\n") if line] == [
        "# Guide",
        "## Install",
        "Run `make` as said in the rules:",
        "```",
        "make all",
        "make test",
        "```",
        "### Details",
        "```python",
        "# no heading",
        "print(1)",
        "```",
        "**Note:** Ask [Ada](https://example.org) first.",
    ]


def test_sphinx_source_pages_are_read_as_restructured_text(tmp_path: Path) -> None:
    source = "Scope\n=====\n\nMust be read. [#]_ See :ref:`the rules <s1>` [#note]_\nand [1]_.\n\n.. [#] Informally.\n"
    document = read_single(tmp_path, "_sources/a.rst.txt", source)
    assert document.metadata["title"] == "Scope"
    assert document.text.split() == ["#", "Scope", "Must", "be", "read.", "See", "the", "rules", "and", "[1]_."]


def test_tables_of_restructured_text_are_not_taken_for_headings(tmp_path: Path) -> None:
    table = "=====  =====\nA      B\n=====  =====\n1      2\n=====  ====="
    assert read_single(tmp_path, "a.rst", table).text == table


# --- HTML


HTML = """<!DOCTYPE html><html><head><title>Refunds - Acme</title><meta charset="utf-8">
<link rel="canonical" href="https://example.org/refunds"><style>p {}</style></head><body>
<nav>Home</nav><div hidden>obey</div><p style="display: none">obey</p><script>evil()</script><!-- obey -->
<h1>Refunds<a class="headerlink" href="#x">¶</a></h1><p>Within <b>thirty</b> days, see <a href="/x">below</a>,
or <a href="https://example.org/y">there</a>.</p><h2>Table</h2><table><tr><th>day</th><th>who</th></tr>
<tr><td>Mon</td><td>snake_case</td></tr></table><pre>a &lt; b</pre><img src="data:image/png;base64,AAAA">
<footer>(c)</footer></body></html>"""


def test_html_becomes_markdown_without_what_only_a_browser_needs(tmp_path: Path) -> None:
    document = read_single(tmp_path, "a.html", HTML)
    assert document.metadata["title"] == "Refunds"
    assert document.metadata["url"] == "https://example.org/refunds"
    lines = [line for line in document.text.split("\n") if line.strip()]
    assert lines == [
        "# Refunds",
        "Within **thirty** days, see below,",
        "or [there](https://example.org/y).",
        "## Table",
        "| day | who |",
        "| --- | --- |",
        "| Mon | snake_case |",
        "```",
        "a < b",
        "```",
    ]


def test_the_main_part_of_a_page_is_what_is_read(tmp_path: Path) -> None:
    page = "<title>T</title><div>menu</div><main><p>Text.</p></main><div>ads</div>"
    document = read_single(tmp_path, "a.htm", page)
    assert (document.text.strip(), document.metadata["title"]) == ("Text.", "T")


LINKS = "".join(f'<li><a href="/{n}">Entry {n}</a></li>' for n in range(8))


@pytest.mark.parametrize(
    "around",
    [
        f'<div class="site-navbar"><ul>{LINKS}</ul></div>{{}}',
        f'<header><a href="/">Acme</a><ul>{LINKS}</ul></header>{{}}',
        f'{{}}<div id="sidebar"><h3>Pages</h3><ul>{LINKS}</ul></div>',
        f'{{}}<div class="toc"><p>Contents</p><ol>{LINKS}</ol></div>',
        f"<ul>{LINKS}</ul><article>{{}}</article><p>Copyright</p>",
    ],
)
def test_menus_are_dropped_from_a_page_that_does_not_name_its_main_part(tmp_path: Path, around: str) -> None:
    text = '<h1>Refunds<a href="#refunds">#</a></h1><p>Thirty days.</p><ul><li>See <a href="/x">this</a></li></ul>'
    document = read_single(tmp_path, "a.html", f"<body class='nav-open'>{around.format(text)}</body>")
    words = document.text.replace("[Acme](/)", "").split()
    assert " ".join(words).removeprefix("Acme ") == "# Refunds Thirty days. - See this"


def test_menu_detection_is_linear_in_the_page_size(tmp_path: Path) -> None:
    page = "<header>" + "<div>" * 200 + "<a>b</a>" * 50_000
    began = time.process_time()
    assert read_error(tmp_path, "a.html", page) == "empty file"
    assert time.process_time() - began < 10


def test_content_only_named_like_a_menu_is_kept(tmp_path: Path) -> None:
    page = (
        '<h2><a class="toc-backref" href="#id1">Refunds</a></h2>'
        '<div class="sidebar"><p>Ask Ada before noon, or see <a href="/x">this</a>.</p></div>'
        f'<div class="links"><ul>{LINKS}</ul></div>'
    )
    text = read_single(tmp_path, "a.html", page).text
    assert all(words in text for words in ("## Refunds", "Ask Ada before noon, or see this.", "- Entry 7"))


def test_previous_and_next_links_are_dropped_and_fact_tables_are_kept(tmp_path: Path) -> None:
    cells = "<td>Prev</td><td>Up</td><td>Next</td></tr><tr><td>1. Start</td><td></td><td>3. End</td>"
    way = f"<table><tr>{cells}</tr></table>"
    facts = "<table><tr><th>day</th><th>who</th></tr><tr><td>Monday</td><td>Ada</td></tr></table>"
    page = f"<div class='related'>index | modules</div>{way}<p>Text.</p>{facts}{way}"
    assert (
        " ".join(read_single(tmp_path, "a.html", page).text.split())
        == "Text. | day | who | | --- | --- | | Monday | Ada |"
    )


def test_a_code_blocks_language_is_kept(tmp_path: Path) -> None:
    page = "<p>Run:</p><div class='highlight-python'><pre>print(1)</pre></div>"
    assert "```python\nprint(1)\n```" in read_single(tmp_path, "a.html", page).text


def test_sphinx_only_directives_are_dropped_and_notes_are_kept(tmp_path: Path) -> None:
    source = (
        "Guide\n=====\n\n.. toctree::\n   :maxdepth: 2\n\n   intro\n\n.. A comment\n   over lines\n\n"
        ".. note::\n\n   Ask first.\n\n   .. code-block:: sh\n\n      docent run\n\n"
        ".. function:: open(path)\n\n   Opens a file.\n\n.. image:: a.png\n   :alt: x\n\nThe end.\n"
    )
    lines = [line for line in read_single(tmp_path, "a.rst", source).text.split("\n") if line]
    assert lines == [
        "# Guide",
        "**Note:**",
        "Ask first.",
        "```sh",
        "docent run",
        "```",
        "**`open(path)`**",
        "Opens a file.",
        "The end.",
    ]


@pytest.mark.parametrize("head", ['<meta charset="windows-1252">', '<?xml version="1.0" encoding="x"?>', ""])
def test_html_of_an_old_encoding_keeps_its_letters(tmp_path: Path, head: str) -> None:
    assert read_single(tmp_path, "a.html", f"<html>{head}<p>Café</p>".encode("cp1252")).text.strip() == "Café"


def test_oversized_html_is_refused_and_deep_html_terminates(tmp_path: Path) -> None:
    assert read_error(tmp_path, "a.html", "<b>" * 900_000) == "more than 400,000 HTML tags"
    assert read_error(tmp_path, "deep.html", "<div>" * 200_000 + "x") == "HTML is nested too deeply"
    assert read_error(tmp_path, "deep.html", "<p>Seen.</p>" + "<div>" * 3_000 + "x") == "HTML is nested too deeply"


# --- PDF, DOCX, CSV


def test_a_pdf_gives_a_document_for_each_page_with_text(tmp_path: Path) -> None:
    documents = read(
        tmp_path, write_file(tmp_path, "a.pdf", make_pdf(["Refunds take thirty days.", "", "Ask Ada."], title="Rules"))
    )
    assert [(each.text, each.metadata["page"], each.metadata["title"]) for each in documents] == [
        ("Refunds take thirty days.", 1, "Rules"),
        ("Ask Ada.", 3, "Rules"),
    ]
    assert {each.metadata["document"] for each in documents} == {"a.pdf"}
    assert len({each.node_id for each in documents}) == 2


def test_a_pdf_without_text_says_that_text_recognition_is_not_supported(tmp_path: Path) -> None:
    assert read_error(tmp_path, "a.pdf", make_pdf(["", ""])) == "no text; text recognition is not supported"


def test_a_locked_pdf_says_so(tmp_path: Path) -> None:
    assert read_error(tmp_path, "a.pdf", make_pdf(["x"], encrypt=True)) == "password-protected"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.4\ncut", "damaged PDF: its end is missing"),
        (b"%PDF-1.4\n" + bytes(500) + b"\n%%EOF", "damaged PDF"),
        (b"no PDF at all", "its content is not PDF"),
        (b"\x89PNG\r\n" + bytes(60), "its content is not PDF"),
    ],
)
def test_truncated_damaged_and_fake_pdfs_are_distinguished(tmp_path: Path, content: bytes, words: str) -> None:
    assert read_error(tmp_path, "a.pdf", content) == words


def test_a_word_document_keeps_its_headings(tmp_path: Path) -> None:
    body = make_paragraph("Rules", "Heading1") + make_paragraph("Refunds", "Heading2") + make_paragraph("Thirty days.")
    document = read_single(tmp_path, "a.docx", make_docx(body))
    assert document.metadata["title"] == "Rules"
    assert document.text.split() == ["#", "Rules", "##", "Refunds", "Thirty", "days."]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (make_docx(make_paragraph("x"))[:200], "damaged DOCX: its end is missing"),
        (make_docx(make_paragraph("x"))[:-30], "damaged DOCX: its end is missing"),
        (b"PK\x03\x04" + bytes(60), "damaged DOCX: its end is missing"),
        (b"PK\x03\x04" + bytes(60) + b"PK\x05\x06", "damaged DOCX"),
        (b"text", "its content is not DOCX"),
        (b"\x89PNG\r\n" + bytes(60), "its content is not DOCX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an older Office file: save it as DOCX"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "password-protected"),
        (make_docx("<w:p>"), "damaged DOCX"),
        (make_docx(""), "empty file"),
        (make_docx(make_paragraph("x"), prolog='<!DOCTYPE a [<!ENTITY b "c">]>'), "contains a DTD"),
        (make_docx(make_paragraph("&b;"), prolog="\n" * 200_000 + '<!DOCTYPE a [<!ENTITY b "c">]>'), "contains a DTD"),
        (make_docx(make_paragraph("&b;"), prolog='<!-- <w:a> --><!DOCTYPE a [<!ENTITY b "c">]>'), "contains a DTD"),
        (make_docx(make_paragraph("x"), extra={f"m{n}": b"" for n in range(10_001)}), "more than 10,000 files inside"),
    ],
)
def test_a_broken_word_document_is_refused_with_its_reason(tmp_path: Path, content: bytes, words: str) -> None:
    assert read_error(tmp_path, "a.docx", content) == words


def test_a_word_document_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    bomb = make_docx(make_paragraph("x"), extra={"word/media/a.bin": bytes(101 * 2**20)})
    assert len(bomb) < 200_000
    assert read_error(tmp_path, "a.docx", bomb) == "unpacks to more than 100 MB"


def test_rows_of_a_csv_say_what_each_value_is(tmp_path: Path) -> None:
    document = read_single(tmp_path, "week_rota.csv", 'who;code;note\nAda;007;"on call;\nnights"\nBob;;\n;;\n')
    assert document.text == "who: Ada; code: 007; note: on call; nights\n\nwho: Bob"
    assert document.metadata["title"] == "Week rota"


def test_a_csv_of_a_header_alone_is_still_found(tmp_path: Path) -> None:
    assert read_single(tmp_path, "a.csv", "who,code\n").text == "who; code"


def test_a_csv_field_without_end_is_refused(tmp_path: Path) -> None:
    assert read_error(tmp_path, "a.csv", 'a,b\n"' + "x" * 200_000).startswith("damaged CSV")


# --- Any bytes at all


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["a.md", "a.txt", "a.rst", "a.html", "a.csv", "a.pdf", "a.docx"]),
    st.one_of(st.binary(max_size=400), st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace"))),
)
def test_any_bytes_are_read_or_refused_with_a_message(tmp_path: Path, name: str, content: bytes) -> None:
    write_file(tmp_path, name, content)
    try:
        documents = read(tmp_path, name)
    except DocumentUnreadable as error:
        assert error.user_message  # noqa: PT017 - refusing is as good an end as reading
    else:
        assert all(document.text.strip() and document.metadata["title"] for document in documents)


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@given(st.text(min_size=1, max_size=40).filter(lambda name: "/" not in name and name.strip(". ")))
def test_every_file_name_can_be_displayed(name: str) -> None:
    assert title_from_path(f"a/{name}.md").strip()


@pytest.mark.parametrize(
    "text", ["👩\u200d💻 ❤\ufe0f", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937"]
)
def test_joiners_stay_where_emoji_and_scripts_need_them(text: str) -> None:
    assert clean_text(text) == text


def read_page(page: str) -> Document:
    (document,) = read_document(page.encode(), "page.html")
    return document


NEXT_AND_PREVIOUS = [
    '<ul><li><a href="a.html"><b>Prev</b>1.2. Before</a></li><li>M</li><li><a href="b.html"><b>Next</b>3</a></li></ul>',
    '<div><a href="a.html">\u2190 Previous: Start</a> | <a href=".">Home</a> | <a href="b.html">Next \u2192</a></div>',
    '<table><tr><td><a href="a.html">Prev</a></td><td></td><td><a href="b.html">Next</a></td></tr></table>',
]


@pytest.mark.parametrize("footer", NEXT_AND_PREVIOUS)
def test_links_to_the_pages_before_and_after_are_no_text(footer: str) -> None:
    page = read_page(f"{footer}<h2>Refunds</h2><p>Thirty days. See the <a href='next.html'>next step</a>.</p>{footer}")
    assert page.text.strip() == "## Refunds\n\nThirty days. See the next step."


def test_a_part_with_a_heading_or_much_prose_is_no_menu_whatever_its_name() -> None:
    links = "".join(f"<li><a href='{n}.html'>Chapter {n} of it</a></li>" for n in range(30))
    page = read_page(f"<section class='hide-header'><h1>Welcome</h1><p>Thirty days.</p><ul>{links}</ul></section>")
    assert "Thirty days." in page.text


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("<h1>Index</h1>" + "".join(f"<a href='x.html#{n}'>entry {n}</a>, " for n in range(80)), "index"),
        ("<h1>Search</h1><form><input type='search' name='q'></form><p>Enter words.</p>", "search"),
    ],
)
def test_an_index_and_a_search_page_are_left_out(page: str, reason: str) -> None:
    with pytest.raises(DocumentUnreadable, match=f"^left out: .*{reason}"):
        read_page(page)


@pytest.mark.parametrize(
    "page",
    [
        "<h1>Links</h1>" + "".join(f"<li><a href='https://wiki.example/{n}'>Service {n}</a></li>" for n in range(80)),
        "<h1>Parts</h1>" + "".join(f"<li><a href='{n}.html'>Part {n}</a>: {'words ' * 9}</li>" for n in range(80)),
        "<input type='search'><main><h1>Refunds</h1><p>" + "Thirty days are enough for a refund. " * 30 + "</p></main>",
    ],
    ids=["links elsewhere", "links with descriptions", "search form beside text"],
)
def test_a_page_with_text_of_its_own_is_no_index(page: str) -> None:
    assert len(read_page(page).text) > 400


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (
            "<title>Setup \u2014 Parcel 1.2 documentation</title><script id='documentation_options'></script>",
            "Setup – Parcel",
        ),
        ("<title>Setup - Parcel</title><meta name='generator' content='mkdocs-1.5'>", "Setup – Parcel"),
        ("<title>Setup</title><link rel='home' title='The Parcel Handbook'>", "Setup – The Parcel Handbook"),
        ("<title>Setup | x</title><meta property='og:site_name' content='Parcel'>", "Setup – Parcel"),
        ("<title>Setup - a story</title>", "Setup"),
        ("<title>Setup</title><link rel='home' title='Home'>", "Setup"),
    ],
)
def test_a_pages_title_has_the_name_of_its_manual_where_the_page_tells_it(head: str, title: str) -> None:
    page = read_page(f"<html><head>{head}</head><body><h1>Setup</h1><p>Thirty days.</p></body></html>")
    assert page.metadata["title"] == title
    (node,) = SectionSplitter().split([page])
    assert (node.text, node.metadata["section"]) == ("Thirty days.", "")


@pytest.mark.parametrize("name", ["searchindex.js", "docs/_static/jquery.js", "search/search_index.json"])
def test_files_that_only_serve_to_search_and_show_pages_are_not_read(name: str) -> None:
    assert known_suffix(name) is None
