from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import NodeWithScore

from bot.domain import AnswerStatus, Question, Source
from bot.errors import NothingFound
from bot.knowledge import KnowledgeBase, LocalEmbeddingChoice
from bot.knowledge.answering.extractive import (
    CODE_CHARS,
    EXCERPT_CHARS,
    LOW_CONFIDENCE_NOTE,
    NO_MODEL_HEADING,
    SHORTLIST_SIZE,
    ExtractiveSynthesizer,
    Quote,
    render_quotes,
    score_answer_type,
    select_quotes,
    shortlist,
)
from bot.knowledge.answering.quotable_units import QuotableUnit, split_units
from bot.knowledge.answering.synthesis import StreamedAnswer
from bot.knowledge.models.local import load_local_embedding
from bot.knowledge.splitting.splitter import build_passage_node
from bot.text.citations import find_cited_sources

if TYPE_CHECKING:
    from llama_index.core.base.response.schema import AsyncStreamingResponse

REPOSITORY = Path(__file__).parents[3]
QUESTIONS = [json.loads(line) for line in (Path(__file__).parents[1] / "questions.jsonl").read_text().splitlines()]


def make_source(number: int = 1) -> Source:
    return Source(number, f"d{number}.md", f"Doc {number}", "…", section="Part")


def split_texts(passage: str) -> list[str]:
    return [unit.text for unit in split_units(passage)]


def test_wrapped_sentences_are_joined() -> None:
    assert split_texts("A shift lasts\none week. It changes\nhands on Wednesday.") == [
        "A shift lasts one week.",
        "It changes hands on Wednesday.",
    ]


def test_abbreviations_figures_and_initials_do_not_end_a_sentence() -> None:
    passage = "Use e.g. Keyhole by M. Holt. It costs 0.38 euros per km, approx. Nothing else does."
    assert split_texts(passage)[0] == "Use e.g. Keyhole by M. Holt."
    assert len(split_texts(passage)) == 2


def test_each_list_item_is_a_unit_that_knows_the_line_leading_in() -> None:
    assert split_units("Three things wake us:\n\n- fire;\n- flood that\n  lasts;\n- gulls.") == [
        QuotableUnit("Three things wake us:"),
        QuotableUnit("- fire;", "Three things wake us:"),
        QuotableUnit("- flood that lasts;", "Three things wake us:"),
        QuotableUnit("- gulls.", "Three things wake us:"),
    ]


def test_each_table_row_is_a_unit_under_the_tables_head() -> None:
    head = "| What | Limit |\n|---|---|"
    assert split_units(f"{head}\n| Hotel | 140 |\n| Lunch | 25 |") == [
        QuotableUnit("| Hotel | 140 |", head, is_block=True),
        QuotableUnit("| Lunch | 25 |", head, is_block=True),
    ]


def test_a_code_block_is_one_unit_with_the_line_leading_in() -> None:
    code = "```bash\nroostctl lock take\n\n# then\nroostctl deploy. Now.\n```"
    assert split_units(f"Take the lock first:\n\n{code}\n\nWatch it.") == [
        QuotableUnit("Take the lock first:"),
        QuotableUnit(code, "Take the lock first:", is_block=True),
        QuotableUnit("Watch it."),
    ]


def test_quoted_blocks_are_split_like_unquoted_text() -> None:
    assert split_units(
        "It says:\n> > - The value\n> >   that counts. More.\n> > - Another.\n>\n> Plain\n> words.\nOurs."
    ) == [
        QuotableUnit("It says:"),
        QuotableUnit("- The value that counts. More.", "It says:"),
        QuotableUnit("- Another.", "It says:"),
        QuotableUnit("Plain words."),
        QuotableUnit("Ours."),
    ]


def test_quoted_code_keeps_its_characters_and_ends_with_the_quote() -> None:
    assert split_texts("> ```\n>   a >> b\n> > c\n> ```\n> ~~~\n> d\nOurs.") == [
        "```\n  a >> b\n> c\n```",
        "~~~\nd\n~~~",
        "Ours.",
    ]
    assert split_texts("```\n> a\n```") == ["```\n> a\n```"]


@given(st.lists(st.sampled_from([*"aB1 .!?:\n|-*`#>\t", "```", "\n\n", "| a | b |\n", "- "]), max_size=80).map("".join))
def test_every_unit_is_a_verbatim_part_of_its_passage(passage: str) -> None:
    flat = " ".join(passage.replace(">", " ").split())
    for unit in split_units(passage):
        assert " ".join(unit.text.replace(">", " ").split()).rstrip("` ") in flat


@given(st.text(max_size=300))
def test_splitting_any_passage_into_units_keeps_every_word(passage: str) -> None:
    prose = re.sub(r"[^\w\s.]|[\d_]", "", passage)
    assert " ".join(" ".join(split_texts(prose)).split()).count(" ") <= " ".join(prose.split()).count(" ")
    assert re.findall(r"\w+", " ".join(split_texts(prose))) == re.findall(r"\w+", prose)


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("Who approves it?", "Lotte Vermeer does.", "It costs ten."),
        ("When is lunch?", "On Mondays.", "In the kitchen."),
        ("How many rooms?", "There are twelve.", "There are some."),
        ("Which command starts it?", "Run `nest`.", "It starts."),
        ("What is the default priority?", "Unless given, it is `optional`.", "It is one of four."),
        ("Which branch is built by default?", "The default is main.", "The branch is built."),
    ],
)
def test_expected_answer_type_raises_the_score(question: str, answer: str, other: str) -> None:
    assert score_answer_type(question, answer) > score_answer_type(question, other)


def test_only_the_most_promising_units_are_looked_at_closely_in_their_order() -> None:
    quotes = [Quote(QuotableUnit(str(place)), make_source(), place, 0.0) for place in range(40)]

    read = shortlist(quotes, {quote: float(quote.position % 2) for quote in quotes})

    assert len(read) == SHORTLIST_SIZE
    assert [quote.position for quote in read] == sorted(quote.position for quote in read)
    assert all(quote in read for quote in quotes if quote.position % 2)


def test_citation_marks_in_a_document_are_escaped() -> None:
    quotes = [Quote(QuotableUnit("As shown [1] and [2, 3], not [x]."), make_source(), 0, 0.9)]
    text = "".join(render_quotes(quotes))
    assert text.endswith("> As shown \\[1] and \\[2, 3], not [x].")
    assert [found.number for found in find_cited_sources(text, [make_source(n) for n in (1, 2, 3)])] == [1]


def make_passage(*units: tuple[str, float], number: int = 1) -> list[Quote]:
    """Make the units of one passage, each with its score."""
    return [Quote(QuotableUnit(text), make_source(number), place, score) for place, (text, score) in enumerate(units)]


def select_texts(*passages: list[Quote]) -> list[str]:
    return [quote.unit.text for quote in select_quotes([quote for passage in passages for quote in passage])]


def test_the_best_unit_is_quoted_with_its_neighbours_and_nothing_twice() -> None:
    passage = make_passage(("Before.", 0.1), ("Best.", 0.9), ("Best.", 0.9), ("After.", 0.3))
    assert select_texts(passage) == ["Before.", "Best.", "After."]


def test_an_excerpt_ends_where_there_is_no_more_room() -> None:
    long = "x" * (EXCERPT_CHARS - 10)
    assert select_texts(make_passage(("Far.", 0.1), (long, 0.1), ("Best.", 0.9), ("After.", 0.2))) == [
        "Best.",
        "After.",
    ]


def test_a_sentence_that_refers_back_brings_the_sentence_before() -> None:
    passage = make_passage(("x" * 480, 0.1), ("It must be empty.", 0.9), ("y" * 480, 0.8))
    assert select_texts(passage) == ["x" * 480, "It must be empty."]


def test_only_passages_near_the_best_score_are_quoted_and_three_at_most() -> None:
    passages = [
        make_passage((f"Text {number}.", score), number=number)
        for number, score in enumerate((0.9, 0.3, 0.8, 0.7, 0.6), 1)
    ]
    assert select_texts(*passages) == ["Text 1.", "Text 3.", "Text 4."]
    assert select_texts(*passages[:2]) == ["Text 1."]


@pytest.mark.parametrize(
    "text",
    [
        "How do I delete an archive?",
        "- [Deleting archives](delete.html)",
        "Deleting archives . . . . . . . 12",
        "archives, deleting, 12, 34",
        "[^3]: Deleting archives is final.",
    ],
)
def test_questions_and_navigation_are_not_what_is_quoted(text: str) -> None:
    asked = make_passage((text, 0.9), number=1)
    assert select_texts(asked, make_passage(("Run delete.", 0.5), number=2))[0] == "Run delete."


def test_a_definition_is_quoted_with_its_term() -> None:
    passage = "--squash=<commit>\n:   Construct a message. See\n    git-rebase(1).\n\n--short\n:   Be brief."
    assert split_units(passage) == [
        QuotableUnit("Construct a message.", "--squash=<commit>"),
        QuotableUnit("See git-rebase(1).", "--squash=<commit>"),
        QuotableUnit("Be brief.", "--short"),
    ]


def test_a_long_code_block_is_cut_behind_a_line_and_closed() -> None:
    code = "```\n" + "line of code\n" * 100 + "```"
    (quote,) = select_quotes([Quote(QuotableUnit(code, is_block=True), make_source(), 0, 0.9)])
    assert len(quote.unit.text) <= CODE_CHARS + 10
    assert quote.unit.text.endswith("line of code\n…\n```")


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        ("Use *either* [the form](https://example.org/form) or `nest`.", "Use either the form or nest."),
        ("Approved by Lotte 3 within 14 days.", "Approved by Lotte within 14 days."),
        ("- It must be signed.", "2. It must be signed!"),
    ],
)
def test_same_text_in_another_file_is_not_quoted_again(text: str, copy: str) -> None:
    quotes = [Quote(QuotableUnit(text), make_source(1), 0, 0.9), Quote(QuotableUnit(copy), make_source(2), 0, 0.89)]
    assert select_quotes(quotes) == quotes[:1]


@pytest.mark.parametrize(
    ("unit", "other"),
    [
        (QuotableUnit("It must be signed."), QuotableUnit("It must not be signed.")),
        (QuotableUnit("A hotel costs 140 euros."), QuotableUnit("A hotel costs 150 euros.")),
        (QuotableUnit("- Fire.", "Wake us for:"), QuotableUnit("- Fire.", "Never wake us for:")),
        (QuotableUnit("```\na < b\n```", is_block=True), QuotableUnit("```\na > b\n```", is_block=True)),
    ],
)
def test_text_that_differs_in_a_content_word_is_quoted_too(unit: QuotableUnit, other: QuotableUnit) -> None:
    quotes = [Quote(unit, make_source(1), 0, 0.9), Quote(other, make_source(2), 0, 0.89)]
    assert select_quotes(quotes) == quotes


def test_a_line_that_ends_in_a_colon_brings_what_it_introduces() -> None:
    code = QuotableUnit("```\nrun\n```", "Do this:", is_block=True)
    quotes = [Quote(QuotableUnit("Do this:"), make_source(), 0, 0.9), Quote(code, make_source(), 1, 0.1)]

    text = "".join(render_quotes(select_quotes(quotes)))

    assert text == "\n\n**Doc 1 › Part** [1]\n> Do this:\n```\nrun\n```"


def test_list_introduced_by_a_quoted_line_is_not_quoted_from_another_file() -> None:
    one, other = (
        [
            Quote(QuotableUnit("One of these:"), make_source(number), 0, score),
            Quote(QuotableUnit("- Red.", "One of these:"), make_source(number), 1, 0.8),
        ]
        for number, score in ((1, 0.9), (2, 0.7))
    )
    assert select_quotes([*one, *other]) == one


def test_rows_of_one_table_share_its_head() -> None:
    head = "| A | B |\n|---|---|"
    rows = [Quote(QuotableUnit(f"| {n} | x |", head, is_block=True), make_source(), n, 0.9) for n in range(2)]
    assert "".join(render_quotes(rows)) == f"\n\n**Doc 1 › Part** [1]\n\n{head}\n| 0 | x |\n| 1 | x |"


async def test_low_confidence_quotes_are_marked_as_such() -> None:
    poor = await answer_from(
        "Which icy moon of Jupiter orbits slowest and is largest?", "The largest spoon is in the drawer."
    )
    good = await answer_from("Where is the kettle?", "The kettle is in the kitchen.")
    assert LOW_CONFIDENCE_NOTE in "".join([delta async for delta in poor.deltas()])
    assert LOW_CONFIDENCE_NOTE not in "".join([delta async for delta in good.deltas()])
    assert (poor.status, good.status) == (AnswerStatus.NOT_FOUND, AnswerStatus.COMPLETE)


async def answer_from(question: str, *passages: str) -> StreamedAnswer:
    nodes = [
        build_passage_node(
            text, {"document": f"{n}.md", "collection": "", "title": f"T{n}", "section": ""}, node_id=str(n)
        )
        for n, text in enumerate(passages)
    ]
    synthesizer = ExtractiveSynthesizer(None)
    response = await synthesizer.asynthesize(question, [NodeWithScore(node=node, score=0.5) for node in nodes])
    return StreamedAnswer(cast("AsyncStreamingResponse", response), get_status=synthesizer.get_status)


async def test_extractive_answer_streams_under_a_heading_after_its_sources() -> None:
    answer = await answer_from("Where is the kettle?", "The kettle is in the kitchen.", "Bicycles are blue.")

    assert [one.document for one in answer.sources] == ["0.md", "1.md"]
    deltas = [delta async for delta in answer.deltas()]
    assert deltas[0] == NO_MODEL_HEADING
    assert "".join(deltas).startswith(f"{NO_MODEL_HEADING}\n\n**T0** [1]\n> The kettle is in the kitchen.")
    assert len(deltas) > 6


@pytest.mark.parametrize("question", ["{context_str}", "[1](x)", "\ud800", "?"])
async def test_any_question_gets_an_extractive_answer(question: str) -> None:
    answer = await answer_from(question, "The kettle is in the kitchen.")
    assert "".join([delta async for delta in answer.deltas()]).startswith(NO_MODEL_HEADING)


async def find_right_answers(base: KnowledgeBase) -> list[str]:
    """The questions whose quotes hold the expected words, with the right document cited first."""
    right: list[str] = []
    for entry in QUESTIONS:
        try:
            answer = await base.answer(Question(entry["question"], "1"))
        except NothingFound:
            continue
        text = "".join([delta async for delta in answer.deltas()])
        first = re.search(r"\[(\d+)\]", text.removeprefix(NO_MODEL_HEADING))
        is_found = entry["answers"][0] in " ".join(text.replace("\n> ", " ").split())
        if is_found and first and answer.sources[int(first[1]) - 1].document == entry["source"]:
            right.append(entry["question"])
    return right


def test_committed_questions_are_half_easy_half_hard_and_answerable() -> None:
    assert sorted(entry["kind"] for entry in QUESTIONS) == ["hard"] * 12 + ["plain"] * 12
    for entry in QUESTIONS:
        text = (REPOSITORY / "data" / "documents" / entry["source"]).read_text()
        assert re.search(r"\W+".join(map(re.escape, entry["answers"][0].split())), text), entry["question"]


@pytest.mark.skipif(load_local_embedding() is None, reason="the extra 'local' is not installed (Python 3.14 and newer)")
async def test_with_the_local_model_at_least_22_of_24_questions_are_answered_rightly(tmp_path: Path) -> None:
    base = KnowledgeBase.open(REPOSITORY / "data" / "documents", tmp_path, None, LocalEmbeddingChoice())
    await base.reindex()
    right = await find_right_answers(base)
    await base.close()
    assert len(right) >= 22, [entry["question"] for entry in QUESTIONS if entry["question"] not in right]


async def test_by_keywords_alone_the_plain_questions_are_answered_rightly(tmp_path: Path) -> None:
    base = KnowledgeBase.open(REPOSITORY / "data" / "documents", tmp_path, None, None)
    await base.reindex()
    right = await find_right_answers(base)
    await base.close()
    missed = [entry["question"] for entry in QUESTIONS if entry["kind"] == "plain" and entry["question"] not in right]
    assert len(missed) <= 2, missed
