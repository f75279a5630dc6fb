"""How a document becomes passages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import Document, MediaResource, TextNode

from bot.knowledge.splitting.headings import split_sections, strip_heading_markup
from bot.knowledge.splitting.splitter import (
    PASSAGE_TOKENS,
    SectionSplitter,
    get_searchable_text,
    hash_passage,
    measure_length,
)

SPLITTER = SectionSplitter()


def make_document(text: str, *, mimetype: str = "text/markdown", **metadata: str | int) -> Document:
    named: dict[str, str | int] = {"document": "handbook.md", "collection": "", "title": "Handbook", **metadata}
    return Document(text_resource=MediaResource(text=text, mimetype=mimetype), metadata=named)


def split_text(text: str) -> list[TextNode]:
    return SPLITTER.split([make_document(text)])


def get_section(node: TextNode) -> str:
    return str(node.metadata["section"])


def test_a_passage_knows_the_path_of_its_headings_without_the_title() -> None:
    nodes = split_text("# Handbook\n\nHello.\n\n## Refunds\n\n### Deadline\n\nThirty days.\n\n## Leave\n\nAsk Ada.")
    assert [(get_section(node), node.text) for node in nodes] == [
        ("", "Hello."),
        ("Refunds › Deadline", "Thirty days."),
        ("Leave", "Ask Ada."),
    ]


def test_passage_carries_its_documents_metadata() -> None:
    (node,) = SPLITTER.split([make_document("Thirty days.", page=3, url="https://example.org/x", collection="legal")])
    assert node.metadata == {
        "document": "handbook.md",
        "collection": "legal",
        "title": "Handbook",
        "section": "",
        "page": 3,
        "url": "https://example.org/x",
        "position": 0,
    }
    assert node.ref_doc_id == "handbook.md"


def test_searched_text_has_title_and_headings_and_shown_text_has_not() -> None:
    (node,) = SPLITTER.split([make_document("# Handbook\n## Refunds\nThirty days.", page=2)])
    assert get_searchable_text(node) == "Handbook\nRefunds\n\nThirty days."
    assert node.get_content() == "Thirty days."


def test_braces_in_a_document_are_text() -> None:
    (node,) = split_text("# Handbook\n## {metadata_str}\nUse {content} and {0}.")
    assert get_searchable_text(node) == "Handbook\n{metadata_str}\n\nUse {content} and {0}."


def test_underlined_headings_are_headings() -> None:
    nodes = split_text("Handbook\n========\n\nRefunds\n-------\n\nThirty days.")
    assert [(get_section(node), node.text) for node in nodes] == [("Refunds", "Thirty days.")]


def test_a_rule_below_a_paragraph_of_several_lines_is_no_underline() -> None:
    assert [section.path for section in split_sections("One line\nand another\n---\nmore")] == [()]


@pytest.mark.parametrize("above", ["- an item", "| a | b |", "> said", "    code"])
def test_a_rule_below_a_list_table_quotation_or_code_is_no_underline(above: str) -> None:
    assert [section.path for section in split_sections(f"{above}\n---\nmore")] == [()]


def test_a_hash_inside_a_code_block_is_no_heading() -> None:
    (node,) = split_text("```sh\n# install\napt install docent\n```")
    assert node.text == "```sh\n# install\napt install docent\n```"


def test_a_code_block_ends_only_with_its_own_fence() -> None:
    text = "````md\n```\n# not a heading\n```\n````\n\n# Refunds\n\nThirty days."
    assert [section.path for section in split_sections(text)] == [(), ("Refunds",)]


def test_a_long_row_of_tildes_opens_no_code_block() -> None:
    assert [section.path for section in split_sections("Refunds\n~~~~~~~\n\n# Leave\n\nAsk Ada.")] == [(), ("Leave",)]


def test_in_plain_text_a_hash_is_no_heading_but_an_underline_makes_one() -> None:
    plain = make_document("# a comment\n\nRefunds\n=======\n\nThirty days.", mimetype="text/plain")
    assert [(get_section(node), node.text) for node in SPLITTER.split([plain])] == [
        ("", "# a comment"),
        ("Refunds", "Thirty days."),
    ]


def test_a_skipped_heading_level_leaves_no_gap_in_the_path() -> None:
    assert [section.path for section in split_sections("# A\n#### B\ntext\n## C\nmore")] == [("A", "B"), ("A", "C")]


def test_heading_without_text_is_joined_to_its_neighbours() -> None:
    nodes = split_text("# Handbook\n\n## Refunds\n\nThirty days.\n\n## To be written\n")
    assert [node.text for node in nodes] == ["Thirty days.\n\nTo be written"]


def test_an_outline_is_one_passage() -> None:
    (node,) = split_text("# Roles\n\n## Ada: on-call\n\n## Bob: billing\n")
    assert node.text == "Roles\n\nAda: on-call\n\nBob: billing"


@pytest.mark.parametrize("text", ["# Handbook", "# Handbook\n\n", "\n\n", "Handbook\n===\n"])
def test_a_title_alone_is_no_passage(text: str) -> None:
    assert split_text(text) == []


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("**Bold** and `code`", "Bold and code"),
        ("[Refunds](https://example.org/a) now", "Refunds now"),
        ("Refunds¶", "Refunds"),
        ("Refunds {#refunds}", "Refunds"),
        ("snake_case_name", "snake_case_name"),
    ],
)
def test_headings_are_shown_without_markdown(written: str, plain: str) -> None:
    assert strip_heading_markup(written) == plain


def test_a_code_block_that_fits_is_not_cut_and_stays_with_the_line_that_leads_to_it() -> None:
    prose = "\n\n".join(f"Paragraph {n} says that refunds take thirty days and nothing else." for n in range(30))
    code = "```sh\n" + "\n".join(f"docent step --number {n}\n" for n in range(8)) + "```"
    nodes = split_text(f"{prose}\n\nRun this:\n\n{code}\n\n{prose}")
    assert [f"Run this:\n\n{code}" in node.text for node in nodes].count(True) == 1


def test_a_table_that_fits_is_not_cut() -> None:
    prose = "\n\n".join(f"Paragraph {n} says that refunds take thirty days and nothing else." for n in range(30))
    table = "| day | who |\n| --- | --- |\n" + "\n".join(f"| {n} | Ada Lovelace |" for n in range(12))
    nodes = split_text(f"{prose}\n\n{table}\n\n{prose}")
    assert [table in node.text for node in nodes].count(True) == 1


def test_a_code_block_that_must_be_cut_is_whole_again_in_each_passage() -> None:
    code = "```python\n" + "\n".join(f"print('step {n} of the deployment')" for n in range(120)) + "\n```"
    nodes = split_text(f"Before.\n\n{code}\n\nAfter.")
    assert len(nodes) > 3
    for node in nodes:
        assert len(re.findall("^```", node.text, re.MULTILINE)) % 2 == 0
        assert all(line.startswith(("print", "```", "Before", "After")) or not line for line in node.text.split("\n"))


def test_a_table_that_must_be_cut_shows_its_header_in_each_passage() -> None:
    rows = "\n".join(f"| {n} | Ada Lovelace is on call in week {n} |" for n in range(80))
    nodes = split_text(f"| week | who |\n| --- | --- |\n{rows}")
    assert len(nodes) > 3
    assert all(node.text.startswith("| week | who |\n| --- | --- |\n|") for node in nodes)


def test_a_table_right_below_the_line_that_leads_to_it_shows_its_header_in_each_passage_too() -> None:
    rows = "\n".join(f"| {n} | Ada Lovelace is on call in week {n} |" for n in range(80))
    first, *others = split_text(f"Who is on call:\n| week | who |\n| --- | --- |\n{rows}")
    assert first.text.startswith("Who is on call:\n| week | who |\n| --- | --- |\n| 0 |")
    assert len(others) > 2
    assert all(node.text.startswith("| week | who |\n| --- | --- |\n|") for node in others)


STEPS = "\n\n".join(f"    docent step --number {n}\n    # and wait for its end" for n in range(6))
PROSE = " ".join(f"Paragraph {n} says that refunds take thirty days." for n in range(20))


@pytest.mark.parametrize("code", [f"    ```sh\n{STEPS}\n    ```", STEPS])
def test_code_inside_a_list_and_code_that_is_only_indented_is_not_cut_where_it_fits(code: str) -> None:
    nodes = split_text(f"1. {PROSE}\n\n{code}\n\n2. {PROSE}")
    assert [code.strip() in node.text for node in nodes].count(True) == 1


def test_code_inside_a_list_that_must_be_cut_is_whole_again_in_each_passage() -> None:
    code = "\n".join(f"    print('step {n} of the deployment')" for n in range(80))
    first, *others = split_text(f"1. Run this:\n\n    ```python\n{code}\n    ```\n\n2. Rest.")
    assert len(others) > 2
    assert all(len(re.findall(r"^\s*```", node.text, re.MULTILINE)) == 2 for node in (first, *others))
    assert all(node.text.startswith("```python\n    print(") for node in others)


def test_code_inside_a_list_that_is_never_closed_ends_with_the_list() -> None:
    nodes = split_text("1. Run:\n\n    ```sh\n    docent run\n\n## Refunds\n\nThirty days.")
    assert [(get_section(node), node.text) for node in nodes][1:] == [("Refunds", "Thirty days.")]


def test_deeply_indented_fence_does_not_close_an_unindented_code_block() -> None:
    (node,) = split_text("```md\n    ```\n# No heading\n```")
    assert get_section(node) == ""


def test_a_long_code_block_below_a_line_of_text_is_cut_between_definitions() -> None:
    code = "\n\n".join(f"def step_{n}(a, b):\n    total = a + b * {n}\n\n    return total" for n in range(40))
    nodes = split_text(f"Before.\n\n```python\n{code}\n```")
    assert len(nodes) > 3
    assert all(node.text.endswith("    return total\n```") for node in nodes)


def test_a_long_list_is_cut_between_items() -> None:
    items = "\n".join(f"- item {n}, which is long, and has commas, and goes on\n  over two lines" for n in range(60))
    nodes = split_text(items)
    assert len(nodes) > 3
    assert all(node.text.startswith("- item ") and node.text.endswith("over two lines") for node in nodes)


def test_long_prose_is_cut_between_sentences_and_overlaps() -> None:
    sentences = [f"Sentence number {n} is about e.g. refunds by Dr. Ada." for n in range(80)]
    nodes = split_text(" ".join(sentences))
    assert all(node.text.startswith("Sentence") and node.text.endswith("Ada.") for node in nodes)
    ends = [node.text.rsplit("Sentence", 1)[1] for node in nodes[:-1]]
    assert all(end in after.text for end, after in zip(ends, nodes[1:], strict=True))


def test_positions_go_on_over_the_pages_of_one_document() -> None:
    nodes = SPLITTER.split([make_document("One.", page=1), make_document("Two.", page=2)])
    assert [(node.metadata["page"], node.metadata["position"]) for node in nodes] == [(1, 0), (2, 1)]


def test_an_id_outlives_changes_elsewhere_in_the_document_and_is_never_given_twice() -> None:
    before = split_text("## A\n\nSame.\n\n## B\n\nKept.")
    after = split_text("## New\n\nMore.\n\n## A\n\nSame.\n\n## B\n\nKept.\n\n## B\n\nKept.")
    assert [node.node_id for node in before] == [node.node_id for node in after[1:3]]
    assert len({node.node_id for node in after}) == len(after)


def test_equal_passages_of_two_documents_share_a_vector_but_not_an_id() -> None:
    (one,) = SPLITTER.split([make_document("Same.", document="a.md")])
    (two,) = SPLITTER.split([make_document("Same.", document="b.md")])
    assert hash_passage(one) == hash_passage(two)
    assert one.node_id != two.node_id


def test_a_word_without_end_is_cut_quickly_and_keeps_its_letters() -> None:
    word = "abcdefghij" * 5_000
    nodes = split_text(f"See {word} there.")
    assert "".join(node.text for node in nodes).replace(" ", "").count("abcdefghij") >= 4_900


def test_a_line_without_end_in_a_code_block_leaves_no_empty_block() -> None:
    nodes = split_text("```json\n" + '{"key": "' + "word refund " * 3_000 + '"}\n```')
    assert len(nodes) > 10
    assert all("refund" in node.text for node in nodes)


@pytest.mark.parametrize("text", ["```json\n```", "---\n\n***", "| - | - |", "```\n{}\n```"])
def test_text_without_letters_or_digits_gives_no_passage(text: str) -> None:
    assert split_text(text) == []


def test_code_within_a_line_is_text_whatever_it_begins_with() -> None:
    assert [node.text for node in split_text("```make``` it")] == ["```make``` it"]


WORDS = st.text(st.characters(categories=["L", "N"], exclude_characters="\x00"), min_size=1, max_size=12)
LINES = st.one_of(
    st.lists(WORDS, max_size=30).map(" ".join),
    st.tuples(st.integers(1, 6), WORDS).map(lambda heading: f"{'#' * heading[0]} {heading[1]}"),
    st.sampled_from(["", "", "```", "~~~~", "```python", "---", "===", "| a | b |", "| - | - |", "- item", "    code"]),
)
DOCUMENTS = st.lists(LINES, max_size=60).map("\n".join)


def find_words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text))


@settings(deadline=None, max_examples=150)
@given(DOCUMENTS)
def test_splitting_loses_no_word(text: str) -> None:
    nodes = split_text(text)
    kept = find_words("Handbook") | {word for node in nodes for word in find_words(f"{get_section(node)} {node.text}")}
    assert not nodes or find_words(text) - kept - {"python"} == set()


@settings(deadline=None, max_examples=150)
@given(DOCUMENTS)
def test_a_document_with_text_has_passages_each_bounded_and_none_a_heading_alone(text: str) -> None:
    check_bounded_and_none_a_heading_alone(text)


@pytest.mark.nightly
@settings(deadline=None, max_examples=3_000)
@given(DOCUMENTS)
def test_no_passage_is_a_heading_alone_in_thousands_of_documents(text: str) -> None:
    check_bounded_and_none_a_heading_alone(text)


LONG_LINE = " ".join(f"word{number}" for number in range(1_000, 1_083))


@pytest.mark.parametrize("end", ["\n# 0", "\n\n# 0", "\n# Refunds", "\n## Leave ##", "\n\n```sh\nls\n```\n# 0"])
@pytest.mark.parametrize("words", range(76, 84))
def test_a_heading_without_text_below_a_long_line_is_part_of_the_last_passage(words: int, end: str) -> None:
    text = " ".join(LONG_LINE.split()[:words]) + end
    check_bounded_and_none_a_heading_alone(text)
    assert split_text(text)[-1].text.rstrip("`\n").endswith(end.rpartition("\n")[2].strip("# "))


def check_bounded_and_none_a_heading_alone(text: str) -> None:
    nodes = split_text(text)
    for node in nodes:
        added_by_repair = 64
        assert measure_length(node.text) <= PASSAGE_TOKENS + added_by_repair
        assert any(sign.isalnum() for line in node.text.split("\n") if "```" not in line for sign in line)
        assert f"# {node.text}" not in text.split("\n") or len(nodes) == 1 or text.count(node.text) > 1


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=2_000))
def test_any_text_can_be_split(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert all(node.text for node in split_text(text))


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS)
def test_splitting_twice_gives_the_same(text: str) -> None:
    assert [node.node_id for node in split_text(text)] == [node.node_id for node in split_text(text)]


@pytest.mark.parametrize(
    "text",
    [
        "退款需要三十天处理部门" * 6_000,
        "- an item about refunds and days\n" * 2_000,
        "word refund thirty days " * 3_000,
        "```python\n" + "def f(x):\n    return x + 1\n\n\n" * 2_000 + "```",
        "```yaml\n" + "key: value\n" * 6_000 + "```",
        "| a | b |\n|---|---|\n" + "| one | two |\n" * 5_000,
        "a," * 30_000,
    ],
    ids=["no spaces", "list", "one line", "code", "flat code", "table", "commas"],
)
def test_a_very_long_text_of_any_make_is_cut_into_bounded_passages_that_are_all_of_it(text: str) -> None:
    nodes = split_text(text)
    added_by_repair = 64
    assert max(measure_length(node.text) for node in nodes) <= PASSAGE_TOKENS + added_by_repair
    assert sum(len("".join(node.text.split())) for node in nodes) >= len("".join(text.split()))
    assert all(node.text.count("```") % 2 == 0 for node in nodes)


LANGUAGES = {
    "English": "The deployment starts at nine and the team that is on call watches the graphs until it has ended. ",
    "Greek": "Η εγκατάσταση ξεκινά στις εννέα και η ομάδα που έχει βάρδια κοιτάζει τα γραφήματα μέχρι το τέλος. ",  # noqa: RUF001 - Greek
    "Russian": "Развёртывание начинается в девять, и дежурная команда следит за графиками до самого его окончания. ",  # noqa: RUF001 - Russian
    "Hindi": "तैनाती नौ बजे शुरू होती है और ड्यूटी पर मौजूद टीम उसके समाप्त होने तक ग्राफ़ देखती रहती है। ",
    "Chinese": "部署工作从九点开始，值班的团队会一直查看各项图表，直到整个部署全部结束为止。",  # noqa: RUF001 - Chinese
}


def count_passages(sentence: str) -> int:
    return len(split_text(" ".join(f"{number}. {sentence}" for number in range(60))))


@pytest.mark.parametrize("language", ["Greek", "Russian", "Hindi", "Chinese"])
def test_the_same_text_is_about_as_many_passages_in_every_script(language: str) -> None:
    english = count_passages(LANGUAGES["English"])
    assert english * 0.5 <= count_passages(LANGUAGES[language]) <= english * 1.6


def test_the_length_of_text_in_latin_letters_is_its_tokens() -> None:
    assert measure_length("") == 0
    assert measure_length("Thirty days.") == 3
    assert measure_length("Καλημέρα κόσμε") < 8


DEFINITIONS = "\n\n".join(
    f"--option-{n}\n:   Sets what number {n} means. " + " ".join(f"Sentence {s} tells more of it." for s in range(60))
    for n in range(3)
)


def test_a_passage_that_continues_a_definition_begins_with_its_term() -> None:
    nodes = split_text(DEFINITIONS)
    assert len(nodes) > 6
    for number in range(3):
        about = [node.text for node in nodes if f"number {number} means" in node.text]
        assert all(f"--option-{number}" in text for text in about)
    assert all(re.match(r"--option-\d\n:   \S", node.text) for node in nodes)


def test_a_passage_inside_nested_definitions_names_the_outer_term_too() -> None:
    sentences = " ".join(f"Sentence {n} tells how it works." for n in range(70))
    text = (
        f"class Store\n:   Keeps documents.\n\n    add(name)\n    :   Adds one. {sentences}\n\nIndex\n:   {sentences}"
    )
    nodes = split_text(text)
    inner = [node.text for node in nodes[1:] if node.text.startswith("class Store › add(name)\n:   Sentence")]
    assert inner
    assert nodes[-1].text.startswith("Index\n:   Sentence")


@pytest.mark.parametrize("mark", ["- ", "1. ", "  * ", ":   "])
def test_an_item_that_begins_with_code_does_not_turn_the_rest_into_code(mark: str) -> None:
    margin = " " * len(mark)
    item = f"{mark}```sh\n{margin}git add\n{margin}```"
    assert [section.path for section in split_sections(f"Run:\n\n{item}\n\n# Refunds\n\nThirty days.")] == [
        (),
        ("Refunds",),
    ]
    nodes = split_text(f"{item}\n\n{PROSE}\n\n{PROSE}\n\n{PROSE}")
    assert nodes[0].text.startswith(item.lstrip())
    assert all("```" not in node.text for node in nodes[1:])


def test_a_long_code_block_that_begins_an_item_is_whole_in_each_passage() -> None:
    code = "\n".join(f"  docent step --number {n}" for n in range(120))
    first, *others = split_text(f"- ```sh\n{code}\n  ```\n- two")
    assert first.text.startswith("- ```sh\n")
    assert len(others) > 2
    assert all(node.text.startswith("```sh\n") for node in others)
