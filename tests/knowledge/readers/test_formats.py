"""Further formats: markup languages, e-books, mail, OpenDocument, RTF and subtitles."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import DocumentUnreadable
from bot.knowledge.readers import read_document
from bot.knowledge.readers.documents import known_suffix

ODF = "urn:oasis:names:tc:opendocument:xmlns:"
SPACES = " ".join(
    f'xmlns:{name}="{ODF}{name if name != "presentation" else "presentation"}:1.0"'
    for name in ("office", "text", "table", "presentation", "style")
) + f' xmlns:draw="{ODF}drawing:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip


def read_text(name: str, content: str | bytes) -> str:
    documents = read_document(content.encode() if isinstance(content, str) else content, name)
    return "\n\n".join(document.text for document in documents)


def read_title(name: str, content: str | bytes) -> str:
    return str(read_document(content.encode() if isinstance(content, str) else content, name)[0].metadata["title"])


def make_zip(parts: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


def make_opendocument(kind: str, body: str, title: str = "") -> bytes:
    meta = (
        f"<office:document-meta {SPACES}><office:meta><dc:title>{title}</dc:title></office:meta></office:document-meta>"
    )
    content = f"<office:document-content {SPACES}><office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return make_zip({"content.xml": f"{content}</office:document-content>", "meta.xml": meta})


def test_mdx_is_markdown_without_imports_and_tags() -> None:
    content = (
        "---\ntitle: Setup\n---\nimport Tabs from '@theme/Tabs';\nexport const a = {\n  b: 1,\n};\n\n# Setup\n\n"
        '<Tabs>\n<TabItem value="mac" label="macOS">\n\nRun `<brew>` now.\n\n</TabItem>\n</Tabs>\n\n'
        "{/* a remark */}\n\n```jsx\nimport x from 'y';\n<Tabs/>\n```\n"
    )
    text = read_text("a.mdx", content)
    assert read_title("a.mdx", content) == "Setup"
    assert "**macOS**" in text
    assert "Run `<brew>` now." in text
    assert "import x from 'y';\n<Tabs/>" in text
    assert not [word for word in ("@theme", "b: 1", "</Tabs", "remark", "value=") if word in text]


def test_asciidoc_gives_headings_listings_admonitions_and_tables() -> None:
    content = (
        "= Backup guide\nAda Lovelace\n:toc:\n\n== Restore\n\nRun *this* first, see <<steps,the steps>>.\n\n"
        "[source,bash]\n----\nrestore --all\n== not a heading\n----\n\nNOTE: Ask Ada.\n\n* One\n** Two\n. First\n\n"
        "term:: what it means\n\n|===\n|Name |Age\n|Bob |7\n|===\n\n"
        "https://a.example/x[the page]\n\n////\nhidden\n////\n"
    )
    text = read_text("a.adoc", content)
    assert read_title("a.adoc", content) == "Backup guide"
    assert "## Restore" in text
    assert "Run **this** first, see the steps." in text
    assert "```bash\nrestore --all\n== not a heading\n```" in text
    assert "**Note:** Ask Ada." in text
    assert "- One\n  - Two\n1. First" in text
    assert "**term**: what it means" in text
    assert "| Name | Age |\n| Bob | 7 |" in text
    assert "[the page](https://a.example/x)" in text
    assert "hidden" not in text


def test_org_gives_headlines_source_and_links_without_drawers() -> None:
    content = (
        "#+TITLE: Notes\n* TODO Travel :work:\n:PROPERTIES:\n:ID: 7\n:END:\n"
        "See [[https://a.example][the page]] and =ls=.\n"
        "** Hotels\n# a comment\n#+begin_src sh\nls -l\n#+end_src\n"
    )
    text = read_text("a.org", content)
    assert read_title("a.org", content) == "Notes"
    assert text.split("\n") == [
        "# Travel",
        "See [the page](https://a.example) and `ls`.",
        "## Hotels",
        "```sh",
        "ls -l",
        "```",
        "",
    ]


def test_latex_gives_sections_items_and_running_text() -> None:
    content = (
        "\\documentclass{article}\n\\title{On refunds}\n\\begin{document}\n\\maketitle\n\\section{Rules}\\label{r}\n"
        "A refund takes \\textbf{thirty} days\\footnote{Not on Sundays.} % remark\n"
        "\\begin{itemize}\n\\item One \\& two\n"
        "\\end{itemize}\n\\begin{verbatim}\n% kept\n\\end{verbatim}\n$a_1 + b$\n\\end{document}\n"
    )
    text = read_text("a.tex", content)
    assert read_title("a.tex", content) == "On refunds"
    assert "## Rules" in text
    assert "A refund takes thirty days (Not on Sundays.)" in text
    assert "- One & two" in text
    assert "```\n% kept\n```" in text
    assert "$a_1 + b$" in text
    assert "remark" not in text
    assert "maketitle" not in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "talk.vtt",
            (
                "WEBVTT\n\nNOTE by a machine\n\n1\n00:00:01.000 --> 00:00:03.000\n<v Ada>Refunds take\n\n"
                "00:03.000 --> 00:05.000 align:start\n<v Ada>thirty &amp; more <i>days</i>.\n\n"
                "00:01:10.000 --> 00:01:12.000\n<v Bob>Thanks.\n"
            ),
        ),
        (
            "talk.srt",
            (
                "1\r\n00:00:01,000 --> 00:00:03,000\r\n{\\an8}Refunds take\r\n\r\n"
                "2\r\n00:00:03,000 --> 00:00:05,000\r\n<i>thirty</i> &amp; more days.\r\n\r\n"
                "3\r\n00:01:10,000 --> 00:01:12,000\r\nThanks.\r\n"
            ),
        ),
    ],
)
def test_subtitles_are_paragraphs_of_speech_with_their_time(name: str, content: str) -> None:
    who = ("Ada: ", "Bob: ") if name.endswith("vtt") else ("", "")
    assert read_text(name, content) == f"[0:01] {who[0]}Refunds take thirty & more days.\n\n[1:10] {who[1]}Thanks."


def test_mail_gives_its_heads_text_and_the_names_of_attachments() -> None:
    content = (
        "From: Ada <ada@site.example>\nTo: bob@site.example\nSubject: =?utf-8?q?R=C3=BCckfrage?=\nMIME-Version: 1.0\n"
        'Date: Mon, 3 Mar 2025 10:00:00 +0100\nContent-Type: multipart/mixed; boundary="x"\n\n--x\n'
        'Content-Type: multipart/alternative; boundary="y"\n\n--y\nContent-Type: text/plain; charset=iso-8859-1\n'
        "Content-Transfer-Encoding: quoted-printable\n\nDrei=DFig Tage.\n--y\nContent-Type: text/html\n\n"
        "<p>HTML</p>\n--y--\n"
        '--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename="rules.pdf"\n\n%PDF\n--x--\n'
    )
    text = read_text("a.eml", content)
    assert read_title("a.eml", content) == "Rückfrage"
    assert "- From: Ada <ada@site.example>" in text
    assert "Dreißig Tage." in text
    assert text.endswith("Attached: rules.pdf")
    only_html = "From: a@b.example\nSubject: x\nContent-Type: text/html\n\n<p>See <b>this</b></p>\n"
    assert "See **this**" in read_text("a.eml", only_html)


@pytest.mark.parametrize(
    ("name", "content"), [("a.eml", "no mail at all"), ("a.rtf", "no rich text"), ("a.odt", b"PK")]
)
def test_content_of_another_format_is_refused(name: str, content: str | bytes) -> None:
    with pytest.raises(DocumentUnreadable):
        read_text(name, content)


def test_epub_chapters_come_in_reading_order_and_a_broken_one_costs_itself() -> None:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>The handbook</dc:title></metadata><manifest>"
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        '<item id="b" href="text/b%20two.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="gone" href="text/gone.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="nav"/><itemref idref="a"/><itemref idref="gone"/><itemref idref="b"/></spine></package>'
    )
    page = '<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body><h1>{0}</h1><p>Text {0}.</p></body></html>'
    content = make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/p.opf"/></rootfiles></container>',
            "OPS/p.opf": package,
            "OPS/nav.xhtml": page.format("Contents"),
            "OPS/text/a.xhtml": page.format("One"),
            "OPS/text/b two.xhtml": page.format("Two"),
        }
    )
    documents = read_document(content, "book.epub")
    assert [document.text for document in documents] == ["# One\n\nText One.", "# Two\n\nText Two."]
    assert {document.metadata["title"] for document in documents} == {"The handbook"}
    assert documents[0].metadata["note"] == "1 chapter could not be read"


def test_opendocument_text_keeps_headings_lists_tables_and_notes() -> None:
    body = (
        '<text:h text:outline-level="1">Rules</text:h><text:p>Refunds<text:s/>take<text:note><text:note-citation>1'
        "</text:note-citation><text:note-body><text:p>Not on Sundays</text:p></text:note-body></text:note>"
        " days.</text:p>"
        "<text:list><text:list-item><text:p>One</text:p><text:list><text:list-item><text:p>Inner</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell><table:table-cell>"
        "<text:p>Age</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>Bob</text:p>"
        "</table:table-cell><table:table-cell><text:p>7</text:p></table:table-cell></table:table-row></table:table>"
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
    )
    content = make_opendocument("text", body, title="Handbook")
    assert read_title("a.odt", content) == "Handbook"
    assert read_text("a.odt", content).split("\n\n") == [
        "# Rules",
        "Refunds take (Not on Sundays) days.",
        "- One\n  - Inner",
        "| Name | Age |\n| --- | --- |\n| Bob | 7 |",
    ]


def test_opendocument_slides_are_pages_with_titles_and_notes() -> None:
    body = (
        '<draw:page draw:name="p1"><draw:frame presentation:class="title"><draw:text-box><text:p>Refunds</text:p>'
        "</draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>Thirty days</text:p></draw:text-box>"
        "</draw:frame>"
        "<presentation:notes><draw:frame><draw:text-box><text:p>Say it slowly</text:p></draw:text-box></draw:frame>"
        "</presentation:notes></draw:page><draw:page><draw:frame presentation:class='title'><draw:text-box>"
        "<text:p>Only a title</text:p></draw:text-box></draw:frame></draw:page>"
    )
    first, second = read_document(make_opendocument("presentation", body), "a.odp")
    assert first.text == "## Refunds\n\nThirty days\n\nNotes: Say it slowly"
    assert (second.text, second.metadata["page"]) == ("Only a title", 2)


def test_opendocument_sheet_shows_its_cells_as_displayed_and_repeats_merged_ones() -> None:
    def cell(text: str, more: str = "") -> str:
        return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"

    body = (
        '<table:table table:name="Costs"><table:table-row>' + cell("Item") + cell("Share") + "</table:table-row>"
        "<table:table-row>" + cell("Tea", 'table:number-rows-spanned="2"') + cell("25 %") + "</table:table-row>"
        "<table:table-row><table:covered-table-cell/>" + cell("30 %") + "</table:table-row>"
        '<table:table-row table:number-rows-repeated="1048573">'
        '<table:table-cell table:number-columns-repeated="16384"/>'
        "</table:table-row></table:table>"
    )
    (document,) = read_document(make_opendocument("spreadsheet", body), "a.ods")
    assert document.text == "Item: Tea; Share: 25 %\n\nItem: Tea; Share: 30 %"
    assert document.metadata["section"] == "Costs"


def test_rtf_gives_paragraphs_in_their_encodings() -> None:
    content = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}{\f1\fcharset204 Cyr;}}{\info{\title Caf\'e9 rules}}"
        rb"{\*\generator X;}\f0 Refunds take \b thirty\b0  days.\par Caf\'e9 \u8364 ? {\v hidden}{\f1 \'cf\'f0}\par"
        rb"{\pict\pngblip 89504e47}\uc0\u-10179\u-8704 \{x\}\par a\cell b\cell\row}"
    )
    assert read_title("a.rtf", content) == "Café rules"
    assert read_text("a.rtf", content).split("\n\n") == [
        "Refunds take thirty days.",
        "Café € Пр",
        "\U0001f600{x}",
        "a | b",
    ]


FORMATS = ["a.mdx", "a.adoc", "a.org", "a.tex", "a.vtt", "a.srt", "a.eml", "a.rtf", "a.html", "a.md", "a.csv", "a.rst"]
FRAGMENTS = st.sampled_from(
    [
        *(
            "\n",
            "\n\n",
            "```",
            "----",
            "|===\n",
            "| a | b",
            "{\\rtf1",
            "\\'",
            "\\u",
            "{",
            "}",
            "[[",
            "]]",
            "= T",
            "* T",
        ),
        *("<T a=", ">", "\\begin{verbatim}", "\\section{", "#+begin_src", ":END:", "00:00:01.000 --> ", "From: a\n"),
        *("<table>", "<tr><td rowspan=9>", "import x from 'y'", "+++\n", "---\n", "text", "\u0663", "\x00"),
    ]
)


@given(st.sampled_from(FORMATS), st.lists(FRAGMENTS | st.text(max_size=5), max_size=30))
def test_any_text_of_any_format_is_read_or_refused(name: str, pieces: list[str]) -> None:
    with suppress(DocumentUnreadable):
        assert read_text(name, "".join(pieces).encode("utf-8", "replace")).strip()


@pytest.mark.parametrize(
    "suffix", ["mdx", "adoc", "epub", "eml", "odt", "odp", "ods", "rtf", "vtt", "srt", "tex", "org"]
)
def test_format_is_known(suffix: str) -> None:
    assert known_suffix(f"a.{suffix.upper()}") == f".{suffix}"
