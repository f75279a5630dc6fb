"""Gaps as topics, as pages that fit, and as controls that mean exactly what was shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admin.gaps import PER_PAGE, Deed, Press, custom_id, described, labelled, paged, pressed, topics, within
from bot.domain import Scope
from bot.records import Fate, Gap


def gap(key: str, question: str, *, at: float = 0.0, asker: int = 1, words: tuple[str, ...] = ()) -> Gap:
    return Gap(key, question, at, asker, Scope(), Fate.NOT_FOUND, words=words)


PARKING = [
    gap("3", "Where are parking permits?", at=300.0, asker=2, words=("the price", "a map")),
    gap("2", "Is there a gym?", at=200.0),
    gap("1", "How do I get a parking permit?", at=100.0, asker=1),
]


def test_the_most_asked_comes_first_under_its_latest_question() -> None:
    first, second = topics(PARKING, None)
    assert (first.keys, first.question, first.people) == (("3", "1"), "Where are parking permits?", 2)
    assert second.keys == ("2",)


def test_a_topic_says_how_often_by_how_many_when_and_what_was_missed() -> None:
    said = described(paged(topics(PARKING, None), 0), 30)
    assert said == (
        "**3 questions without a good answer in the last 30 days, 2 topics**\n"
        "1\\. **Where are parking permits?**\n"
        "-# 2 times by 2 people · last <t:300:R> · also “How do I get a parking permit?” · "
        "missed: “the price” and 1 more\n"
        "2\\. **Is there a gym?**\n"
        "-# 1 time · last <t:200:R>"
    )


def test_where_nothing_waits_that_is_said() -> None:
    assert described(paged([], 0), 1) == "No question asked in the last 1 day waits for an answer in the documents."


def test_what_people_wrote_does_nothing_where_it_is_shown() -> None:
    evil = gap("1", "**@everyone** [x](https://evil.example) \u202e<@1>", words=("`code`\n# big",))
    said = described(paged(topics([evil], None), 0), 30)
    assert "\\@everyone" in said
    assert "\\[x\\](https\\://" in said
    assert "\u202e" not in said
    assert "\\<\\@1\\>" in said
    assert "\n# big" not in said


def test_a_label_is_one_line_of_at_most_100_signs_nobody_can_hide_in() -> None:
    (topic,) = topics([gap("1", "Where\n\u200bis " + "it" * 90)], None)
    label = labelled(12, topic)
    assert label.startswith("12. Where is itit")
    assert len(label) == 100


@given(st.lists(st.text(st.sampled_from("*@<\U0001f600ab \n"), min_size=1, max_size=80), min_size=1, max_size=40))
def test_every_page_fits_into_a_message_and_together_they_hold_every_topic_once(questions: list[str]) -> None:
    # Each in a direction of its own: none of them is like another.
    vectors = [[float(i == j) for j in range(len(questions))] for i in range(len(questions))]
    words = ("@" * 90,)
    found = topics([gap(str(n), q, at=1e9 + n, words=words) for n, q in enumerate(questions)], vectors)
    last = paged(found, 0).last
    pages = [paged(found, number) for number in range(last + 1)]
    assert [topic for page in pages for topic in page.topics] == found
    for page in pages:
        said = described(page, 365, is_cut=True)
        assert len(said.encode("utf-16-le")) // 2 <= 2_000
        assert 1 <= len(page.topics) <= PER_PAGE
        assert found[page.first - 1] is page.topics[0]
    assert paged(found, 999) == pages[-1]


def test_a_name_means_the_same_questions_in_any_order_and_no_others() -> None:
    before, _ = topics(PARKING, None)
    again, _ = topics([PARKING[2], PARKING[1], PARKING[0]], None)
    more = topics([gap("4", "Where is the parking permit?"), *PARKING], None)[0]
    assert before.name == again.name
    assert len(before.name) <= 100
    assert more.keys == ("4", "3", "1")
    assert more.name != before.name


def test_what_somebody_may_not_see_in_full_is_left_out() -> None:
    board = Gap("9", "What does Lotte earn?", 1.0, 1, Scope(frozenset({"", "board"})), Fate.NOT_FOUND)
    assert within([board, *PARKING], Scope()) == PARKING
    assert within([board], Scope(frozenset({"", "board", "hr"}))) == [board]


def test_a_control_is_known_again() -> None:
    assert pressed(custom_id(Deed.DONE, 30, 2)) == Press(Deed.DONE, 30, 2)
    assert pressed(custom_id(Deed.PAGE, 365, 0)) == Press(Deed.PAGE, 365, 0)


@pytest.mark.parametrize(
    "name",
    ["gaps:", "gaps:done", "gaps:erase:30:0", "gaps:done:0:0", "gaps:done:366:0", "gaps:page:30:-1", "gaps:page:٣:0"],
)
def test_a_forged_control_means_nothing(name: str) -> None:
    assert pressed(name) is None
