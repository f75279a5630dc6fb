"""Gaps as topics, as pages that fit, and as controls that mean exactly what was shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admin.gaps import (
    PER_PAGE,
    ButtonAction,
    ButtonId,
    build_page,
    cluster_gaps,
    filter_by_scope,
    format_custom_id,
    format_label,
    format_page,
    parse_custom_id,
)
from bot.discord_adapter import components
from bot.domain import Scope
from bot.records import AnswerStatus, Gap


def make_gap(answer_id: str, question: str, *, at: float = 0.0, asker: int = 1, comments: tuple[str, ...] = ()) -> Gap:
    return Gap(answer_id, question, at, asker, Scope(), AnswerStatus.NOT_FOUND, comments=comments)


PARKING = [
    make_gap("3", "Where are parking permits?", at=300.0, asker=2, comments=("the price", "a map")),
    make_gap("2", "Is there a gym?", at=200.0),
    make_gap("1", "How do I get a parking permit?", at=100.0, asker=1),
]


def test_the_most_asked_comes_first_under_its_latest_question() -> None:
    first, second = cluster_gaps(PARKING, None)
    assert (first.answer_ids, first.question, first.asker_count) == (("3", "1"), "Where are parking permits?", 2)
    assert second.answer_ids == ("2",)


def test_cluster_shows_count_askers_dates_and_comments() -> None:
    said = format_page(build_page(cluster_gaps(PARKING, None), 0), 30)
    assert said == (
        "**3 questions without a good answer in the last 30 days, 2 topics**\n"
        "1\\. **Where are parking permits?**\n"
        "-# 2 times by 2 people · last <t:300:R> · also “How do I get a parking permit?” · "
        "missed: “the price” and 1 more\n"
        "2\\. **Is there a gym?**\n"
        "-# 1 time · last <t:200:R>"
    )


def test_no_open_gaps_is_reported() -> None:
    assert (
        format_page(build_page([], 0), 1)
        == "No question asked in the last 1 day is without an answer in the documents."
    )


def test_user_text_in_gaps_is_escaped() -> None:
    evil = make_gap("1", "**@everyone** [x](https://evil.example) \u202e<@1>", comments=("`code`\n# big",))
    said = format_page(build_page(cluster_gaps([evil], None), 0), 30)
    assert "\\@everyone" in said
    assert "\\[x\\]\\(https\\://" in said
    assert "\u202e" not in said
    assert "\\<\\@1\\>" in said
    assert "\n# big" not in said


def test_cluster_label_is_one_visible_line_of_at_most_100_characters() -> None:
    (topic,) = cluster_gaps([make_gap("1", "Where\n\u200bis " + "it" * 90)], None)
    label = format_label(12, topic)
    assert label.startswith("12. Where is itit")
    assert len(label) == 100


@given(st.lists(st.text(st.sampled_from("*@<\U0001f600ab \n"), min_size=1, max_size=80), min_size=1, max_size=40))
def test_gap_pages_fit_a_message_and_hold_every_cluster_once(questions: list[str]) -> None:
    # Each in a direction of its own: none of them is like another.
    vectors = [[float(i == j) for j in range(len(questions))] for i in range(len(questions))]
    words = ("@" * 90,)
    found = cluster_gaps([make_gap(str(n), q, at=1e9 + n, comments=words) for n, q in enumerate(questions)], vectors)
    last = build_page(found, 0).last
    pages = [build_page(found, number) for number in range(last + 1)]
    assert [topic for page in pages for topic in page.clusters] == found
    for page in pages:
        said = format_page(page, 365, is_truncated=True)
        assert len(said.encode("utf-16-le")) // 2 <= 2_000
        assert 1 <= len(page.clusters) <= PER_PAGE
        assert found[page.first - 1] is page.clusters[0]
    assert build_page(found, 999) == pages[-1]


def test_cluster_id_depends_on_its_questions_in_any_order() -> None:
    before, _ = cluster_gaps(PARKING, None)
    again, _ = cluster_gaps([PARKING[2], PARKING[1], PARKING[0]], None)
    more = cluster_gaps([make_gap("4", "Where is the parking permit?"), *PARKING], None)[0]
    assert before.cluster_id == again.cluster_id
    assert len(before.cluster_id) <= 100
    assert more.answer_ids == ("4", "3", "1")
    assert more.cluster_id != before.cluster_id


def test_gaps_outside_the_scope_are_filtered_out() -> None:
    board = Gap("9", "What does Lotte earn?", 1.0, 1, Scope(frozenset({"", "board"})), AnswerStatus.NOT_FOUND)
    assert filter_by_scope([board, *PARKING], Scope()) == PARKING
    assert filter_by_scope([board], Scope(frozenset({"", "board", "hr"}))) == [board]


def parse(custom_id: str) -> ButtonId | None:
    parts = components.parse_custom_id(custom_id)
    return parse_custom_id(parts) if parts else None


def test_gap_button_id_is_parsed_back() -> None:
    assert parse(format_custom_id(ButtonAction.DONE, 30, 2)) == ButtonId(ButtonAction.DONE, 30, 2)
    assert parse(format_custom_id(ButtonAction.PAGE, 365, 0)) == ButtonId(ButtonAction.PAGE, 365, 0)


@pytest.mark.parametrize(
    "name",
    ["gaps:", "gaps:done", "gaps:erase:30:0", "gaps:done:0:0", "gaps:done:366:0", "gaps:page:30:-1", "gaps:page:٣:0"],
)
def test_forged_gap_button_id_is_rejected(name: str) -> None:
    assert parse(name) is None
