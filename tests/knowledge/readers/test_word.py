"""Word documents and slides with what real ones hold: odd part names, numbers, formulas, notes, odd objects."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from pptx import Presentation
from pptx.util import Inches

from bot.errors import DocumentUnreadable
from bot.knowledge.readers import read_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llama_index.core.schema import Document

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SPACES = (
    f'xmlns:w="{W}" xmlns:r="{OFFICE}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
    ' xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
    ' xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
)


def make_docx(
    body: str, parts: Mapping[str, str] | None = None, *, main: str = "word/document.xml", separator: str = "/"
) -> bytes:
    """A Word document; ``parts`` are further parts by their names, each related to the main one by its name."""
    related = "".join(
        f'<Relationship Id="{name.partition(".")[0]}" Type="{OFFICE}/{name.partition(".")[0].rstrip("0123456789")}"'
        f' Target="{name}"/>'
        for name in parts or {}
    )
    folder, _, file = main.rpartition("/")
    written = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/officeDocument"'
        f' Target="/{main}"/></Relationships>',
        main: f"<w:document {SPACES}><w:body>{body}</w:body></w:document>",
        f"{folder}/_rels/{file}.rels": f'<Relationships xmlns="{PACKAGE}">{related}</Relationships>',
        **{f"{folder}/{name}": text for name, text in (parts or {}).items()},
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in written.items():
            archive.writestr(name.replace("/", separator), text)
    return made.getvalue()


def paragraph(text: str, properties: str = "", more: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r>{more}</w:p>"


def read_single(content: bytes, name: str = "a.docx") -> Document:
    (document,) = read_document(content, name)
    return document


@pytest.mark.parametrize("main", ["word/document.xml", "word/document2.xml", "content/main.xml"])
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_main_part_is_found_by_its_relationship(main: str, separator: str) -> None:
    assert read_single(make_docx(paragraph("Thirty days."), main=main, separator=separator)).text == "Thirty days."


def test_strict_office_open_xml_is_read() -> None:
    content = make_docx(paragraph("Thirty days."))
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            text = before.read(name).decode()
            text = text.replace(OFFICE, "http://purl.oclc.org/ooxml/officeDocument/relationships")
            after.writestr(name, text.replace(W, "http://purl.oclc.org/ooxml/wordprocessingml/main"))
    assert read_single(made.getvalue()).text == "Thirty days."


NUMBERING = (
    f'<w:numbering xmlns:w="{W}"><w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
)
STYLES = (
    f'<w:styles xmlns:w="{W}"><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:pPr>'
    '<w:numPr><w:numId w:val="7"/></w:numPr></w:pPr></w:style><w:style w:type="paragraph" w:styleId="Heading2">'
    '<w:name w:val="heading 2"/><w:basedOn w:val="Heading1"/><w:pPr><w:numPr><w:ilvl w:val="1"/></w:numPr></w:pPr>'
    "</w:style></w:styles>"
)


def test_automatic_numbers_of_headings_and_clauses_are_in_the_text() -> None:
    clause = '<w:numPr><w:ilvl w:val="2"/><w:numId w:val="7"/></w:numPr>'
    body = "".join(
        [
            paragraph("Scope", '<w:pStyle w:val="Heading1"/>'),
            paragraph("Terms", '<w:pStyle w:val="Heading2"/>'),
            paragraph("One", clause),
            paragraph("Two", clause),
            paragraph("Fees", '<w:pStyle w:val="Heading1"/>'),
            paragraph("Due", '<w:pStyle w:val="Heading2"/>'),
            paragraph("Three", clause),
        ]
    )
    text = read_single(make_docx(body, {"numbering.xml": NUMBERING, "styles.xml": STYLES})).text
    assert text.split("\n\n") == [
        "# 1 Scope",
        "## 1.1 Terms",
        "(a) One",
        "(b) Two",
        "# 2 Fees",
        "## 2.1 Due",
        "(a) Three",
    ]


def test_formulas_footnotes_and_comments_are_in_the_text() -> None:
    formula = (
        "<m:oMath><m:r><m:t>x=</m:t></m:r><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r>"
        "</m:den></m:f><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"
    )
    reference = '<w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:commentReference w:id="1"/></w:r>'
    notes = f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="2">{paragraph("Not on Sundays")}</w:footnote></w:footnotes>'
    comments = (
        f'<w:comments xmlns:w="{W}"><w:comment w:id="1" w:author="Ada">{paragraph("Check it")}</w:comment></w:comments>'
    )
    body = paragraph("Thirty days", more=reference) + f"<w:p>{formula}</w:p>"
    text = read_single(make_docx(body, {"footnotes.xml": notes, "comments.xml": comments})).text
    assert "(footnote: Not on Sundays)" in text
    assert "(comment by Ada: Check it)" in text
    assert "x=(a+b)/(2)c^(2)" in text


def test_diagrams_charts_descriptions_and_headers_are_in_the_text() -> None:
    drawing = (
        '<w:r><w:drawing><wp:inline><wp:docPr descr="Plan of the cellar"/></wp:inline></w:drawing></w:r>'
        '<w:r><w:drawing><dgm:relIds r:dm="diagramData1"/></w:drawing></w:r>'
        '<w:r><w:drawing><c:chart r:id="chart1"/></w:drawing></w:r>'
    )
    parts = {
        "diagramData1.xml": f"<dgm:dataModel {SPACES}><dgm:ptLst><dgm:pt><dgm:t>"
        "<a:p><a:r><a:t>Ask</a:t></a:r></a:p></dgm:t>"
        "</dgm:pt></dgm:ptLst></dgm:dataModel>",
        "chart1.xml": f"<c:chartSpace {SPACES}><c:chart><c:plotArea><c:surface3DChart><c:ser>"
        "<c:tx><c:strRef><c:strCache>"
        '<c:pt idx="0"><c:v>sales</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat><c:strLit><c:pt idx="0">'
        "<c:v>Q1</c:v>"
        '</c:pt></c:strLit></c:cat><c:val><c:numLit><c:pt idx="0"><c:v>12.5</c:v></c:pt></c:numLit></c:val></c:ser>'
        "</c:surface3DChart></c:plotArea></c:chart></c:chartSpace>",
        "header1.xml": f'<w:hdr xmlns:w="{W}">{paragraph("Confidential until March 2026")}</w:hdr>',
    }
    text = read_single(make_docx(paragraph("See below.", more=drawing), parts)).text
    for words in ("(image: Plan of the cellar)", "Ask", "Q1: sales: 12.5", "Confidential until March 2026"):
        assert words in text


def test_a_table_of_word_has_its_head() -> None:
    cells = [["Item", "Days"], ["Tea", "30"]]
    rows = "".join("<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in cells)
    assert read_single(make_docx(f"<w:tbl>{rows}</w:tbl>")).text == "| Item | Days |\n| --- | --- |\n| Tea | 30 |"


def test_a_damaged_part_beside_the_text_costs_itself_and_is_noted() -> None:
    body = paragraph("Thirty days.", more='<w:r><w:footnoteReference w:id="2"/></w:r>')
    document = read_single(make_docx(body, {"footnotes.xml": "no xml at all <<<"}))
    assert "Thirty days." in document.text
    assert document.metadata["note"]


# --- Slides


def test_an_object_that_the_library_does_not_know_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    deck: Any = Presentation()
    for words in ("Refunds", "Only a title"):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = words
    box = deck.slides[0].shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "Thirty days"
    table = deck.slides[0].shapes.add_table(1, 1, 0, 0, Inches(1), Inches(1)).table
    table.cell(0, 0).text = "cell"
    file = io.BytesIO()
    deck.save(file)

    def fail(self: object) -> None:
        raise NotImplementedError("no such row")

    monkeypatch.setattr("pptx.table.Table.rows", property(fail))
    first, second = read_document(file.getvalue(), "a.pptx")
    assert first.text == "## Refunds\n\nThirty days"
    assert first.metadata["note"] == "1 object could not be read"
    assert second.text == "Only a title"


def test_a_word_file_without_a_main_part_is_damaged() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("other.xml", "<x/>")
    with pytest.raises(DocumentUnreadable, match="holds no document"):
        read_document(made.getvalue(), "a.docx")
