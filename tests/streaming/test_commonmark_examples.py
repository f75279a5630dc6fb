"""Every example of CommonMark's specification is converted: exact code, no live link, the same however it is cut."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from bot.streaming.markdown.convert import DiscordMarkdownConverter, convert_markdown
from bot.streaming.paging import paginate
from bot.text.wording import utf16_length
from tests.reference_markdown import certain_code, possible_links
from tests.streaming.hostile_text import cut

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "commonmark-spec@0.31.2"
"""The specification as its authors publish it on npm; it is fetched for this test and kept nowhere."""

_EXAMPLE = re.compile(r"^`{32} example\n(?P<text>.*?)^\.\n(?P<page>.*?)^`{32}$", re.MULTILINE | re.DOTALL)
_CODE_BLOCK = re.compile(r"<pre><code[^>]*>(.*?)</code></pre>", re.DOTALL)
READ_OTHERWISE = {146}
"""A fence of tildes with backticks and tildes behind it: what models write so is struck through."""

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Each example's text and the HTML that it means."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder: Path = tmp_path_factory.mktemp("commonmark")
    subprocess.run(  # noqa: S603 - npm itself, with arguments of ours
        [npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=60
    )
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as package:
        member = package.extractfile("package/spec.txt")
        assert member is not None
        specification = member.read().decode().replace("→", "\t")
    return [(found["text"], found["page"]) for found in _EXAMPLE.finditer(specification)]


def test_there_are_enough_examples(examples: list[tuple[str, str]]) -> None:
    assert len(examples) > 600


def test_the_message_is_the_same_however_an_example_is_cut(examples: list[tuple[str, str]]) -> None:
    for number, (text, _) in enumerate(examples, 1):
        converter = DiscordMarkdownConverter()
        shown = "".join(map(converter.feed, cut(text, number))) + converter.flush()
        assert shown == convert_markdown(text), number


def test_no_example_has_a_live_link_in_any_reading_and_every_page_fits(examples: list[tuple[str, str]]) -> None:
    for number, (text, _) in enumerate(examples, 1):
        message = convert_markdown(text)
        assert possible_links(message) == set(), number
        assert all(utf16_length(page) <= 60 for page in paginate(message, 60)), number


def test_code_between_fences_is_exact(examples: list[tuple[str, str]]) -> None:
    changed: set[int] = set()
    for number, (text, page) in enumerate(examples, 1):
        if not re.search(r"^[ >]{0,6}(?:[-*+] |\d[.)] )?(?:`{3}|~{3})", text, re.MULTILINE) or "      " in text:
            continue  # indented code in a list is shown as its text
        shown = {code.strip("\n") for code in certain_code(convert_markdown(text))}
        for found in _CODE_BLOCK.finditer(page):
            code = html.unescape(re.sub(r"<[^>]*>", "", found[1])).strip("\n")
            if code.strip() and "```" not in code and code not in shown:
                changed.add(number)
    assert changed == READ_OTHERWISE
