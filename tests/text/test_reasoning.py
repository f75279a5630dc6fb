"""A model's reasoning and control tokens are stripped; a sentence about them is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.reasoning import ONLY_REASONING_NOTE, ReasoningFilter, strip_reasoning

pieces = st.lists(
    st.sampled_from(
        [
            *("<think>", "</think>", "<|im_end|>", "<|start|>", "assistant", "<|channel|>", "analysis", "final"),
            *("<|message|>", "<|end|>", "[THINK]", "[/THINK]", "◁think▷", "</s>", "```", "`", "\n", " ", "word", "<"),
        ]
    ),
    max_size=25,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<think>\nsecret\n</think>\n\nThe answer.", "The answer."),
        ("<THINKING>secret</THINKING>The answer.", "The answer."),
        ("One.\n<think>a `<b>` secret</think>\nTwo.", "One.\n\nTwo."),
        ("<think>```\nfence</think>\n# Two", "# Two"),
        ("[THINK]secret[/THINK]Yes.", "Yes."),
        ("◁think▷secret◁/think▷Yes.", "Yes."),
        (
            "<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
            "Yes.",
        ),
        ("rest of it\n</think>\nYes.", "rest of it\n\nYes."),
        ("Yes.<|im_end|>", "Yes."),
        ("Yes.<end_of_turn>\n", "Yes.\n"),
        ("Yes.<｜end▁of▁sentence｜>", "Yes."),  # noqa: RUF001 - the token is spelled so
        ("Said.\n<think>cut off", "Said.\n"),
        ("<think>Only this", ONLY_REASONING_NOTE),
        ("<think>Only this</think>", ONLY_REASONING_NOTE),
    ],
)
def test_reasoning_and_control_tokens_are_stripped(text: str, shown: str) -> None:
    assert strip_reasoning(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Write `<think>` first and `</think>` last.",
        "Use <think> to let it think, then </think> to end it.",
        "The <|im_end|> token ends a turn.",
        "```\n<think>\nshown\n</think>\n```\n",
        "<s>struck</s> out",
        "a < b, x <y",
        "Put [/INST] behind it.",
    ],
)
def test_a_sentence_about_such_tags_is_unchanged(text: str) -> None:
    assert strip_reasoning(text) == text


@given(pieces)
def test_reasoning_filter_output_does_not_depend_on_chunking(parts: list[str]) -> None:
    text = "".join(parts)
    for chunks in (parts, list(text)):
        reader = ReasoningFilter()
        assert "".join(map(reader.feed, chunks)) + reader.flush() == strip_reasoning(text)


def test_nothing_of_unfinished_reasoning_is_pending() -> None:
    reader = ReasoningFilter()
    assert reader.feed("Yes.\n<think>secret") + reader.pending == "Yes.\n"
