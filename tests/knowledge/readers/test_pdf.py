"""PDF as it comes: forms, pages without text, labels, titles that say nothing, running heads, contents pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Source
from bot.errors import DocumentUnreadable
from bot.knowledge.readers import read_document
from bot.knowledge.readers.page import Page
from bot.knowledge.readers.pdf import clean_pdf_title, find_page_headings, split_at_headings
from bot.knowledge.readers.pdf_layout import drop_running_lines, is_contents_or_index
from bot.text.citations import format_position

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_pdf(pages: Sequence[str], *, title: str = "", catalog: str = "", fields: Sequence[str] = ()) -> bytes:
    """A PDF of pages drawn by content streams; ``fields`` are dictionaries of form fields on the first."""
    first_field = 4 + 2 * len(pages)
    widgets = [f"{first_field + n} 0 R" for n in range(len(fields))]
    form = f"/AcroForm << /Fields [{' '.join(widgets)}] >>" if fields else ""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {form} {catalog} >>",
        f"<< /Type /Pages /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(len(pages)))}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, drawing in enumerate(pages):
        annotations = f"/Annots [{' '.join(widgets)}]" if fields and n == 0 else ""
        objects += [
            (
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * n} 0 R {annotations}"
                " /Resources << /Font << /F1 3 0 R >> >> >>"
            ),
            f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream",
        ]
    objects += [f"<< /Type /Annot /Subtype /Widget /Rect [20 20 200 40] {field} >>" for field in fields]
    objects.append(f"<< /Title ({title}) >>")
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(out)}\n%%EOF"
    return out + end.encode()


def draw(*lines: str, size: int = 12) -> str:
    """A content stream that shows lines one below the other."""
    return f"BT /F1 {size} Tf 20 760 Td 16 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"


def test_filled_form_fields_are_part_of_their_page() -> None:
    fields = [
        "/FT /Tx /T (name) /TU (Full name) /V (Ada Lovelace)",
        "/FT /Tx /T (empty) /V ()",
        "/FT /Btn /T (agreed) /V /Yes /AS /Yes",
        "/FT /Ch /T (town) /V (Rome) /Opt [(Rome) (Oslo)]",
    ]
    (document,) = read_document(make_pdf([draw("Application")], fields=fields), "form.pdf")
    assert document.text.split("\n\n") == ["Application", "Full name: Ada Lovelace\nagreed: yes\ntown: Rome"]


def test_pages_without_text_are_counted() -> None:
    documents = read_document(make_pdf([draw("One"), "", "", draw("Four")]), "a.pdf")
    assert [document.metadata["page"] for document in documents] == [1, 4]
    assert documents[0].metadata["note"] == "2 of 4 pages hold no text"
    with pytest.raises(DocumentUnreadable, match="no text; text recognition is not supported"):
        read_document(make_pdf(["", ""]), "scan.pdf")


def test_pages_are_cited_by_the_labels_that_the_document_gives_them() -> None:
    labels = "/PageLabels << /Nums [0 << /S /r >> 2 << /S /D >>] >>"
    pages = read_document(make_pdf([draw(f"Page {n}") for n in range(4)], catalog=labels), "a.pdf")
    assert [page.metadata.get("label") for page in pages] == ["i", "ii", "1", "2"]
    source = Source(1, "a.pdf", "A", "text", page=1, page_label="i")
    assert (format_position(source), format_position(Source(1, "a.pdf", "A", "text", page=3))) == ("page i", "page 3")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Travel rules", "Travel rules"),
        ("untitled", ""),
        ("(anonymous)", ""),
        ("Microsoft Word - Travel rules 2024.docx", "Travel rules 2024"),
        ("Microsoft Word - x.docx", "x"),
        ("report_final.indd", ""),
        ("Slide 1", ""),
        ("---", ""),
        ("", ""),
    ],
)
def test_title_that_says_nothing_is_not_used(title: str, shown: str) -> None:
    assert clean_pdf_title(title) == shown


def test_a_useless_title_falls_back_to_the_largest_line_or_the_files_name() -> None:
    drawing = draw("Rules for travelling", size=24) + " " + draw("", "", "", *["Some ordinary text of the page."] * 6)
    (document,) = read_document(make_pdf([drawing], title="untitled"), "scan_007.pdf")
    assert document.metadata["title"] == "Rules for travelling"
    (document,) = read_document(make_pdf([draw("Plain text.")], title="untitled"), "on-call_2024.pdf")
    assert document.metadata["title"] == "On call 2024"


def test_running_heads_and_page_numbers_are_left_out() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    pages = [
        draw("The Handbook", f"On {word}.", "More.", f"Less {word}.", f"Page {n} of 8") for n, word in enumerate(words)
    ]
    documents = read_document(make_pdf(pages), "a.pdf")
    assert [document.text.split("\n")[0].strip() for document in documents][:2] == [
        "On one.",
        "On two.",
    ]
    assert not any("Handbook" in document.text or "of 8" in document.text for document in documents)


def test_contents_pages_are_left_out_and_counted() -> None:
    contents = draw("Contents", *(f"{n} Chapter about things ........ {n * 7}" for n in range(1, 12)))
    documents = read_document(make_pdf([contents, draw("Chapter about things", "The text.")]), "a.pdf")
    assert [document.metadata["page"] for document in documents] == [2]
    assert documents[0].metadata["note"] == "1 of 2 pages of contents or index left out"


@pytest.mark.parametrize(
    ("text", "is_left_out"),
    [
        ("Contents\nIntroduction 1\nInstallation 5\nUpgrade 12\nBackup 20\nRestore 31", True),
        (
            "Introduction . . . . . . . 1\nInstallation . . . . . 5\nUp . . . . . 12\nBa . . . . . 20\nRe . . . . 31",
            True,
        ),
        ("backup, 3, 17\nrestore, 12-14\nupgrade, 5\nzeal, 99, 101-103\nyes, 7", True),
        ("Sales in 2024\nTea 12\nCoffee 15\nWater 7\nJuice 3\nMilk 4", False),
        ("A paragraph of text\nthat goes on\nfor some lines\nand mentions 7\nand ends.", False),
        ("Contents\nof the box: three cups,\none pot and a\nlid, which\nbreaks easily, 2", False),
        ("", False),
    ],
)
def test_page_that_only_leads_to_others_is_told_from_text(text: str, *, is_left_out: bool) -> None:
    assert is_contents_or_index(text) is is_left_out


@given(st.lists(st.text(alphabet="ab1 \n", max_size=40), max_size=12))
def test_dropping_running_lines_keeps_the_pages_and_adds_nothing(pages: list[str]) -> None:
    kept = drop_running_lines(pages)
    assert len(kept) == len(pages)
    assert all(set(after.split("\n")) <= set(before.split("\n")) for before, after in zip(pages, kept, strict=True))


OUTLINE = [(0, "Refunds", 0), (1, "Deadlines", 0), (1, "Limits", 1), (0, "2 Leave", 1)]


def test_text_of_a_page_is_under_the_heading_that_it_is_below() -> None:
    pages = [
        Page("Refunds\r\nPaid by Ada.\r\n1.1 Deadlines\r\nFive days.", number=1, section="Refunds", note="a note"),
        Page("Not on Sundays.\nLimits\nOne thousand.\n2 Leave\nAsk Bob.", number=2, section="Refunds \u203a Limits"),
        Page("Nothing begins here.", number=3, section="2 Leave"),
    ]
    parts = split_at_headings(pages, find_page_headings(OUTLINE))
    assert [(part.number, part.section, part.text.split()[-1], part.note) for part in parts] == [
        (1, "Refunds", "Ada.", "a note"),
        (1, "Refunds \u203a Deadlines", "days.", ""),
        (2, "Refunds \u203a Deadlines", "Sundays.", ""),
        (2, "Refunds \u203a Limits", "thousand.", ""),
        (2, "2 Leave", "Bob.", ""),
        (3, "2 Leave", "here.", ""),
    ]


def test_heading_that_is_not_in_the_text_cuts_nothing() -> None:
    page = Page("Somebody wrote about deadlines.", number=1, section="Refunds")
    assert split_at_headings([page], find_page_headings(OUTLINE)) == [page]


@given(st.lists(st.sampled_from(["Refunds", "Deadlines", "text", "", "1 Refunds"]), max_size=12))
def test_cutting_a_page_at_its_headings_loses_no_line(lines: list[str]) -> None:
    parts = split_at_headings([Page("\n".join(lines), number=1, section="Refunds")], find_page_headings(OUTLINE))
    assert [line for part in parts for line in part.text.split("\n") if line] == [line for line in lines if line]
