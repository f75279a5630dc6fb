"""Tables on sheets: which rows name the columns, and how numbers are shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.readers.number_formats import format_general, format_number
from bot.knowledge.readers.tables import format_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


def write_rows(text: str) -> list[str]:
    """A sheet drawn with bars, as its written rows."""
    return [
        written for _, written in format_rows([[cell.strip() for cell in line.split("|")] for line in text.split("\n")])
    ]


@pytest.mark.parametrize(
    ("sheet", "rows"),
    [
        ("who|age\nAda|7\nBob|9", ["who: Ada; age: 7", "who: Bob; age: 9"]),
        ("Rota||\nwho|age|at\nAda|7|x", ["Rota", "who: Ada; age: 7; at: x"]),
        # Two tables, one below the other: each with names of its own.
        ("item|price\nTea|2\n\nwho|age\nAda|7", ["item: Tea; price: 2", "who: Ada; age: 7"]),
        ("item|price\nTea|2\n\nStaff|\nwho|age\nAda|7", ["item: Tea; price: 2", "Staff", "who: Ada; age: 7"]),
        # A gap in a table is no new table.
        ("item|price\nTea|2\n\nCoffee|3", ["item: Tea; price: 2", "item: Coffee; price: 3"]),
        # Two tables side by side.
        ("item|price||who|age\nTea|2||Ada|7", ["item: Tea; price: 2", "who: Ada; age: 7"]),
        # Two rows of names, the upper ones over several columns: merged cells hold the same text, or only the first.
        ("|2025|2025|2026\n|Q1|Q2|Q1\nTea|1|2|3", ["Tea; 2025 Q1: 1; 2025 Q2: 2; 2026 Q1: 3"]),
        ("item|2025||\n|Q1|Q2|\nTea|1|2|", ["item: Tea; 2025 Q1: 1; 2025 Q2: 2"]),
        ("who|town\n\nAda|Rome\n\nBob|Oslo", ["who: Ada; town: Rome", "Bob; Oslo"]),
        ("who\nAda", ["who: Ada"]),
        ("who|age", ["who; age"]),
        ("", []),
    ],
)
def test_each_value_is_named_by_its_own_tables_column(sheet: str, rows: list[str]) -> None:
    assert write_rows(sheet) == rows


@given(st.lists(st.lists(st.sampled_from(["", "a", "b", "1", "2.5", "12 %", "2025-01-02"]), max_size=6), max_size=12))
def test_no_value_of_a_row_below_the_names_is_lost(rows: Sequence[Sequence[str]]) -> None:
    written = " ".join(text for _, text in format_rows(rows))
    numbers = {number for number, _ in format_rows(rows)}
    assert numbers <= set(range(len(rows)))
    assert all(cell in written for number in numbers for cell in rows[number])


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.25, "0%", "25%"),
        (0.1234, "0.0%", "12.3%"),
        (1234.5, "#,##0.00", "1,234.50"),
        (1234.5, '#,##0.00\\ "€"', "1,234.50 €"),
        (1234.5, "[$€-407] #,##0.00", "€ 1,234.50"),
        (-12.5, '"$"#,##0.00;[Red]("$"#,##0.00)', "($12.50)"),
        (-12.5, "0.0", "-12.5"),
        (0, '0;-0;"none"', "none"),
        (7, "000", "007"),
        (1_500_000, '0.0,,"M"', "1.5M"),
        (12_345, "0.00E+00", "1.23E+04"),
        (45_000, "dd/mm/yyyy", "2023-03-15"),
        (45_000.75, "d.m.yy h:mm", "2023-03-15 18:00"),
        (45_000, "mmm-yy", "2023-03"),
        (0.5, "h:mm AM/PM", "12:00"),
        (1.25, "[h]:mm", "30:00"),
        (43_538, "yyyy-mm-dd", "2019-03-14"),
        (0.5, "# ?/?", "0.5"),
        (3, "General", "3"),
        (3, "@", "3"),
        (3, "nonsense [", "3"),
        (-1, "yyyy-mm-dd", "-1"),
    ],
)
def test_number_is_shown_as_its_cell_shows_it(value: float, code: str, shown: str) -> None:
    assert format_number(value, code) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.1 + 0.2, "0.3"), (1e20, "1e+20"), (12.0, "12"), (1 / 3, "0.33333333333"), (1e-7, "0.0000001")],
)
def test_number_without_a_format_has_no_noise_behind_its_eleventh_digit(value: float, shown: str) -> None:
    assert format_general(value) == shown


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.text(alphabet='0#?.,%;"\\[]$€yYmMdDhHsSeE+-/@_* ', max_size=20)
)
def test_any_format_shows_any_number(value: float, code: str) -> None:
    assert isinstance(format_number(value, code), str)
    assert math.isfinite(value)
