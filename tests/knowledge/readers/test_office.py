"""What becomes of slides, workbooks, notebooks and source code."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import MetadataMode
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.pdf import find_page_sections
from bot.knowledge.sources.documents import read
from bot.knowledge.splitting.splitter import SectionSplitter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from llama_index.core.schema import Document


def read_file(root: Path, name: str, content: bytes | str) -> list[Document]:
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read(root, name)


def read_error(root: Path, name: str, content: bytes | str) -> str:
    with pytest.raises(DocumentUnreadable) as caught:
        read_file(root, name, content)
    return caught.value.user_message


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


# --- Slides


def make_presentation() -> bytes:
    presentation: Any = Presentation()
    presentation.core_properties.title = "Quarter review"
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Refunds"
    slide.placeholders[1].text = "Thirty days\nAsk Ada"
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 100, 100).text_frame.text = "Inside a group"
    table = slide.shapes.add_table(2, 2, 0, 0, Inches(1), Inches(1)).table
    for place, word in enumerate(["day", "who", "Mon", "Bob"]):
        table.cell(place // 2, place % 2).text = word
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    figures = CategoryChartData()  # type: ignore[no-untyped-call]
    figures.categories = ["Q1", "Q2"]
    figures.add_series("sales", (10, 12.5))  # type: ignore[no-untyped-call]
    second = presentation.slides.add_slide(presentation.slide_layouts[6])
    second.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, Inches(2), Inches(2), figures)
    presentation.slides.add_slide(presentation.slide_layouts[6])
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def test_slides_keep_titles_groups_tables_notes_and_the_figures_of_charts(tmp_path: Path) -> None:
    first, second = read_file(tmp_path, "a.pptx", make_presentation())
    assert (first.metadata["title"], first.metadata["page"], second.metadata["page"]) == ("Quarter review", 1, 2)
    assert first.text == (
        "## Refunds\n\n- Thirty days\n- Ask Ada\n\nInside a group\n\n"
        "| day | who |\n| --- | --- |\n| Mon | Bob |\n\nNotes: Say it slowly."
    )
    assert [line for line in second.text.split("\n") if line.startswith("-")] == [
        "- Q1: sales: 10",
        "- Q2: sales: 12.5",
    ]


@pytest.mark.parametrize("cut", [100, 5_000, -40])
def test_a_truncated_deck_is_damaged(tmp_path: Path, cut: int) -> None:
    assert read_error(tmp_path, "a.pptx", make_presentation()[:cut]) == "damaged PPTX: its end is missing"


def test_a_locked_deck_says_so(tmp_path: Path) -> None:
    assert (
        read_error(tmp_path, "a.pptx", OLE + "EncryptedPackage".encode("utf-16-le") + bytes(600))
        == "password-protected"
    )


def test_a_file_of_another_kind_is_not_called_damaged(tmp_path: Path) -> None:
    assert read_error(tmp_path, "a.pptx", OLE + bytes(600)) == "an older Office file: save it as PPTX"
    assert read_error(tmp_path, "a.pptx", b"\x89PNG" + bytes(600)) == "its content is not PPTX"


# --- Workbooks


def make_workbook(sheets: Mapping[str, Sequence[tuple[str, str]]], *, hidden: str = "", prolog: str = "") -> bytes:
    """A workbook: of each sheet, cells with their references and texts; numbers are written as numbers."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Target="xl/workbook.xml" '
        f'Type="{links}/officeDocument"/></Relationships>',
        "xl/workbook.xml": f'<workbook {space} xmlns:r="{links}"><sheets>'
        + "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="s{n}" state="{["visible", "hidden"][name == hidden]}"/>'
            for n, name in enumerate(sheets, 1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(
            f'<Relationship Id="s{n}" Target="worksheets/sheet{n}.xml" Type="{links}/worksheet"/>'
            for n in range(1, len(sheets) + 1)
        )
        + "</Relationships>",
    }
    for n, cells in enumerate(sheets.values(), 1):
        rows: dict[str, list[str]] = {}
        for reference, value in cells:
            cell = (
                f'<c r="{reference}"><v>{value}</v></c>'
                if value.replace(".", "").isdigit() and value == value.lstrip("0")
                else f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'
            )
            rows.setdefault(reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), []).append(cell)
        body = "".join(f'<row r="{row}">{"".join(written)}</row>' for row, written in rows.items())
        parts[f"xl/worksheets/sheet{n}.xml"] = f"{prolog}<worksheet {space}><sheetData>{body}</sheetData></worksheet>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


ROTA = [("A1", "who"), ("B1", "code"), ("A2", "Ada"), ("B2", "007"), ("A3", "Bob"), ("B3", "12"), ("C3", "1.5")]


def test_sheet_rows_name_each_value_by_its_column(tmp_path: Path) -> None:
    (document,) = read_file(tmp_path, "week rota.xlsx", make_workbook({"Rota": ROTA}))
    assert document.text == "who: Ada; code: 007\n\nwho: Bob; code: 12; 1.5"
    assert document.metadata["title"] == "Week rota"
    assert document.metadata["section"] == "Rota"


def test_a_title_above_the_names_of_the_columns_is_not_taken_for_one(tmp_path: Path) -> None:
    lowered = [(f"{cell[0]}{int(cell[1:]) + 3}", value) for cell, value in ROTA]
    (sheet,) = read_file(
        tmp_path, "a.xlsx", make_workbook({"Rota": [("A1", "Support in autumn"), ("A2", "Draft"), *lowered]})
    )
    assert sheet.text == "Support in autumn\n\nDraft\n\nwho: Ada; code: 007\n\nwho: Bob; code: 12; 1.5"
    (table,) = read_file(tmp_path, "a.csv", "Support in autumn,\n,\nwho,code\nAda,007\n")
    assert (table.text, table.metadata["lines"][2]) == ("Support in autumn\n\nwho: Ada; code: 007", 4)


def test_a_table_of_one_column_is_named_by_its_first_row(tmp_path: Path) -> None:
    (table,) = read_file(tmp_path, "a.csv", "who\nAda\nBob\n")
    assert table.text == "who: Ada\n\nwho: Bob"


def test_each_of_several_sheets_is_a_section_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    content = make_workbook({"Rota": ROTA, "Old": ROTA, "Costs": [("A1", "item"), ("A2", "Tea")]}, hidden="Old")
    documents = read_file(tmp_path, "a.xlsx", content)
    assert [document.metadata["section"] for document in documents] == ["Rota", "Costs"]
    nodes = SectionSplitter().split(documents)
    assert nodes[-1].get_content(MetadataMode.EMBED) == "A\nCosts\n\nitem: Tea"
    assert len({node.node_id for node in nodes}) == len(nodes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (make_workbook({"a": [("A1", "x"), ("XFD1048576", "y")]}), "a sheet spans 16,384 columns and 1,048,576 rows"),
        (make_workbook({"a": ROTA}, prolog='<!DOCTYPE a [<!ENTITY b "c">]>'), "contains a DTD"),
        (make_workbook({"a": ROTA})[:300], "damaged XLSX: its end is missing"),
        (OLE + bytes(600), "an older Office file: save it as XLSX"),
        (b"text", "its content is not XLSX"),
        (make_workbook({"a": []}), "empty file"),
        (b"", "empty file"),
    ],
)
def test_a_bad_workbook_is_refused_with_its_reason(tmp_path: Path, content: bytes, words: str) -> None:
    assert read_error(tmp_path, "a.xlsx", content).startswith(words)


def replace_part(content: bytes, name: str, new_name: str, part: bytes) -> bytes:
    """The same archive, one part of it another and under another name."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for each in before.namelist():
            after.writestr(new_name if each == name else each, part if each == name else before.read(each))
    return file.getvalue()


SHEET_PATH = "xl/worksheets/sheet1.xml"
DISTANT_CELL = b'<sheetData><row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"/></row></sheetData>'


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("xl/elsewhere.bin", DISTANT_CELL),
        (SHEET_PATH, DISTANT_CELL.replace(b'r="XFD', b'r = "XFD')),
        (SHEET_PATH, DISTANT_CELL.replace(b'r="XFD', b'x="a>b" r="XFD')),
        (SHEET_PATH, DISTANT_CELL.replace(b"1048576", b"00000001048576")),
        (SHEET_PATH, b"<sheetData><row>" + b"<c/>" * 9_000 + b"</row>" + b"<row/>" * 9_000),
    ],
)
def test_a_vast_sheet_is_refused_however_it_is_written(tmp_path: Path, name: str, part: bytes) -> None:
    content = replace_part(make_workbook({"a": ROTA}), SHEET_PATH, name, part)
    assert read_error(tmp_path, "a.xlsx", content).startswith("a sheet spans ")


@pytest.mark.parametrize("name", ["a.xls", "a.ods"])
@pytest.mark.parametrize("content", [b"text", OLE + bytes(600), b"PK\x03\x04" + bytes(60)])
def test_bad_workbook_of_another_format_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert re.search("damaged|password|not|older", read_error(tmp_path, name, content))


def test_a_sheet_of_opendocument_is_read(tmp_path: Path) -> None:
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = "".join(
        f"<table:table-row>{''.join(cell.format(word) for word in row)}</table:table-row>"
        for row in [("who", "code"), ("Ada", "007")]
    )
    content = (
        f'<office:document-content xmlns:office="{space}office:1.0" xmlns:table="{space}table:1.0" '
        f'xmlns:text="{space}text:1.0"><office:body><office:spreadsheet><table:table table:name="One">{rows}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    assert read_file(tmp_path, "a.ods", file.getvalue())[0].text == "who: Ada; code: 007"


def test_values_between_tabs_are_read(tmp_path: Path) -> None:
    assert read_file(tmp_path, "a.tsv", "who\tcode\nAda, Bob\t007\n")[0].text == "who: Ada, Bob; code: 007"


# --- Notebooks and source code


def make_notebook(*cells: dict[str, Any]) -> str:
    return json.dumps({"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4})


def test_a_notebook_gives_its_prose_its_code_and_what_that_printed(tmp_path: Path) -> None:
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "text": ["42\n"]},
        {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["\x1b[0m"]},
    ]
    content = make_notebook(
        {"cell_type": "markdown", "source": ["# Refunds\n", "\n", "Thirty days."]},
        {"cell_type": "code", "source": "print(6 * 7)", "outputs": outputs},
    )
    (document,) = read_file(tmp_path, "a.ipynb", content)
    assert document.metadata["title"] == "Refunds"
    assert document.text.split("\n\n") == [
        "# Refunds",
        "Thirty days.",
        "```python\nprint(6 * 7)\n```",
        "```\n42\n```",
        "```\n<Figure>\n```",
        "```\nValueError: no\n```",
    ]


@pytest.mark.parametrize("content", ["no json", "[]", "{}", '{"cells": 3}', "[" * 100_000, '{"cells": [1, null, "x"]}'])
def test_file_that_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    assert read_error(tmp_path, "a.ipynb", content)


def test_damaged_notebook_is_distinguished_from_an_empty_one(tmp_path: Path) -> None:
    assert read_error(tmp_path, "a.ipynb", '{"cells": []}') == "empty file"
    assert read_error(tmp_path, "a.ipynb", '{"cells": 3}') == "damaged notebook: it holds no cells"


def test_markdown_and_html_outputs_of_a_notebook_are_markdown(tmp_path: Path) -> None:
    table = (
        "<table><thead><tr><th>item</th><th>n</th></tr></thead><tbody><tr><td>Tea</td><td>2</td></tr></tbody></table>"
    )
    outputs: list[dict[str, Any]] = [
        {"output_type": "execute_result", "data": {"text/html": [table], "text/plain": "  item n"}},
        {"output_type": "display_data", "data": {"text/markdown": "**Done**", "text/plain": "<Markdown>"}},
    ]
    (document,) = read_file(tmp_path, "a.ipynb", make_notebook({"cell_type": "code", "source": "", "outputs": outputs}))
    assert document.text == "| item | n |\n| --- | --- |\n| Tea | 2 |\n\n**Done**"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(st.lists(st.dictionaries(st.sampled_from(["cell_type", "source", "outputs", "level", "text", "data"]), JSON)))
def test_any_notebook_cells_are_read_or_refused_with_a_message(
    tmp_path_factory: pytest.TempPathFactory, cells: list[Any]
) -> None:
    root = tmp_path_factory.mktemp("notebooks")
    try:
        assert read_file(root, "a.ipynb", json.dumps({"cells": cells}))[0].text.strip()
    except DocumentUnreadable as error:
        assert error.user_message  # noqa: PT017 - refusing is as good an end as reading


def test_source_code_is_a_code_block_under_the_files_name(tmp_path: Path) -> None:
    (document,) = read_file(tmp_path, "app_main.py", "def a() -> None:\n    '''```'''\n")
    assert document.metadata["title"] == "app_main.py"
    assert document.text == "````python\ndef a() -> None:\n    '''```'''\n````"


def test_long_source_code_is_cut_between_definitions(tmp_path: Path) -> None:
    one = "def step_{n}(x: int) -> int:\n    y = x + {n}\n\n    return y * {n}\n"
    documents = read_file(tmp_path, "steps.py", "\n\n".join(one.format(n=n) for n in range(60)))
    nodes = SectionSplitter().split(documents)
    assert len(nodes) > 3
    for node in nodes:
        first, *inner, last = node.text.split("\n")
        assert (first, last) == ("```python", "```")
        assert inner[0].startswith("def step_")
        assert inner[-1].startswith("    return")


def test_a_line_of_code_keeps_its_margin_where_a_passage_begins_with_it(tmp_path: Path) -> None:
    body = "\n".join(f"    total = total + {n} * factor_number_{n}" for n in range(80))
    nodes = SectionSplitter().split(read_file(tmp_path, "long.py", f"def long(total):\n{body}\n"))
    assert len(nodes) > 3
    assert all(line.startswith("    ") for node in nodes[1:] for line in node.text.split("\n")[1:-1])


# --- The outline of a PDF


def test_pdf_page_is_under_the_outline_heading_it_begins_with() -> None:
    entries = [(0, "One", 0), (1, "First", 0), (1, "Second", 2), (0, "Two", 4)]
    assert find_page_sections(entries, 6) == ["One", "One › First", "One › Second", "One › Second", "Two", "Two"]


@given(st.lists(st.tuples(st.integers(-2, 6), st.text(max_size=8), st.integers(-3, 12))), st.integers(0, 8))
def test_any_outline_gives_each_page_one_section_path(entries: list[tuple[int, str, int]], count: int) -> None:
    assert len(find_page_sections(entries, count)) == count
