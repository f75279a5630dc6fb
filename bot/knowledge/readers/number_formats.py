"""Shows a spreadsheet's numbers as its cells do: percentages, currencies, thousands, dates and times."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

BUILT_IN_FORMATS: Final = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 14: "yyyy-mm-dd",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm", 19: "h:mm:ss", 20: "h:mm", 21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss", 48: "0.0E+0",
}  # fmt: skip
"""The codes that files name by number alone (ECMA-376, 18.8.30); dates are written as ISO 8601 has them."""

_LITERAL = re.compile(r"\"([^\"]*)\"|\\(.)|\[\$([^\]-]*)(?:-[^\]]*)?\]|_.|\*.|\[[^\]]*\]")
_PLACEHOLDERS = re.compile(r"[0#?][0#?,]*(?:\.[0#?]*,*)?|\.[0#?]+,*")
_EPOCH: Final = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates have no zone
_EPOCH_1904: Final = dt.datetime(1904, 1, 1)  # noqa: DTZ001 - as above
_MAX_DAYS: Final = 2_958_466  # the last day of the year 9999
_LONGEST_CODE: Final = 255
_EXACT_LIMIT: Final = 1e11  # numbers of more digits are shown with an exponent


def format_number(value: float, code: str, *, is_1904: bool = False) -> str:
    """Return a number as a cell of this format shows it; a format that is not understood shows it plainly."""
    code = code[:_LONGEST_CODE]
    section, is_signed = _choose_section(code, value)
    plain = _LITERAL.sub("", section)
    letters = set(re.sub(r"am/pm|a/p|e\+", "", plain.lower())) & set("abcdefghijklmnopqrstuvwxyz")
    if letters and letters <= set("ymdhsge"):
        return _format_date(value, section, is_1904=is_1904)
    if re.search(r"[0#?]/", plain) or not _PLACEHOLDERS.search(plain) or "@" in plain:
        literal = _format_literals(section) if not re.search(r"[\w#?@]", plain) else ""
        return literal.strip() or format_general(value)
    return _format_decimal(value if is_signed else abs(value), section)


def format_general(value: float) -> str:
    """Return a number as a cell without a format shows it: at most 11 digits, so that 0.1 + 0.2 is 0.3."""
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - beyond it not every whole number can be told
        return f"{int(value)}"
    written = f"{value:.11g}"
    return f"{value:.10f}".rstrip("0").rstrip(".") if "e" in written and 1e-9 < abs(value) < _EXACT_LIMIT else written  # noqa: PLR2004 - smaller ones need the exponent


def _choose_section(code: str, value: float) -> tuple[str, bool]:
    """Return the part of a format for a number's sign, and whether that part still needs the sign."""
    sections = re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", code)
    if value < 0 and len(sections) > 1:
        return sections[1], False
    if value == 0 and len(sections) > 2 and sections[2]:  # noqa: PLR2004 - the third is for zero
        return sections[2], True
    return sections[0], True


def _format_literals(section: str) -> str:
    return _LITERAL.sub(lambda found: next((each for each in found.groups() if each), ""), section)


def _format_decimal(value: float, section: str) -> str:
    marked: list[str] = []

    def keep(found: re.Match[str]) -> str:
        marked.append(next((each for each in found.groups() if each), ""))
        return "\x00"

    bare = _LITERAL.sub(keep, section)
    found = _PLACEHOLDERS.search(bare)
    if found is None:
        return format_general(value)
    digits = found[0]
    before, after = bare[: found.start()], bare[found.end() :]
    value *= 100 ** (bare.count("%"))
    scale = len(digits) - len(digits.rstrip(","))
    value /= 1000**scale
    decimals = len(re.findall(r"[0#?]", digits.partition(".")[2]))
    required = len(re.findall(r"0", digits.partition(".")[2]))
    if exponent := re.match(r"E[+-]?0+", after, re.IGNORECASE):
        written, after = f"{value:.{decimals}E}", after[exponent.end() :]
    else:
        written = f"{abs(value):{',' if ',' in digits.rstrip(',') else ''}.{decimals}f}"
        while decimals > required and written.endswith("0"):
            written, decimals = written[:-1], decimals - 1
        written = written.rstrip(".")
        written = written.zfill(len(re.sub(r"[,#?]|\..*", "", digits)))
        written = f"-{written}" if value < 0 and float(written.replace(",", "")) != 0 else written
    pieces = iter(marked)
    return re.sub("\x00", lambda _: next(pieces, ""), f"{before}{written}{after}").strip()


def _format_date(value: float, section: str, *, is_1904: bool) -> str:
    if not 0 <= value < _MAX_DAYS:
        return format_general(value)
    bare = re.sub(r"\"[^\"]*\"|\\.|\[\$[^\]]*\]|_.|\*.", "", section).lower()
    if elapsed := re.search(r"\[([hms])+\]", bare):
        seconds = round(value * 86_400)
        hours, rest = divmod(seconds, 3_600)
        minutes = f"{hours}:{rest // 60:02}"
        return f"{minutes}:{rest % 60:02}" if "s" in bare or elapsed[1] != "h" else minutes
    moment = (_EPOCH_1904 if is_1904 else _EPOCH) + dt.timedelta(seconds=round(value * 86_400))
    has_time = re.search(r"[hs]", bare) is not None
    has_day, has_year = "d" in bare, "y" in bare
    date = "%Y-%m-%d" if has_day and has_year else "%m-%d" if has_day else "%Y-%m" if "m" in bare and has_year else ""
    date = date or ("%Y" if has_year else "" if has_time else "%B" if "m" in bare else "%Y-%m-%d")
    time = ("%H:%M:%S" if "s" in bare else "%H:%M") if has_time else ""
    return moment.strftime(" ".join(filter(None, (date, time))))
