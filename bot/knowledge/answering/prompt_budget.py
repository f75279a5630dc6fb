"""Shares a model's context window between the prompt's fixed parts, files, passages and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bot.domain import Attachment, ResponseStyle
from bot.knowledge.answering.prompts import NO_PASSAGES, build_question_prompt
from bot.knowledge.models.openai import ANSWER_TOKENS
from bot.knowledge.splitting.splitter import count_tokens, truncate_to_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

PASSAGE_TOKENS: Final = 1_800
"""Tokens that passages may take together in a prompt."""

_DELIMITER: Final = "0" * 16  # as long as the random ones


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """Files cut to what there is room for, and the tokens left for passages."""

    files: tuple[Attachment, ...]
    passage_tokens: int


@dataclass(frozen=True, slots=True)
class PromptBudget:
    """How much a model can read for one question.

    Attributes:
        window: The model's context window in tokens.
        answer_tokens: The longest answer in tokens; no more than a quarter of the window is kept free for it.
        files: Files that came with the question. They come first, but leave to the passages what these need, or half
            of the room.
        style: How the answer is to be written.
    """

    window: int
    answer_tokens: int = ANSWER_TOKENS
    files: Sequence[Attachment] = ()
    style: ResponseStyle = field(default_factory=ResponseStyle)

    def fit(self, question: str, *, has_passages: bool) -> FittedPrompt:
        """Return what fits beside this question. Counting long files takes time: call it in a thread."""
        bare = [Attachment(file.name, "") for file in self.files]
        prompt = build_question_prompt(_DELIMITER, style=self.style, files=bare, file_delimiter=_DELIMITER)
        fixed = sum(count_tokens(message.content or "") for message in prompt.format_messages())
        room = self.window - fixed - count_tokens(question) - min(self.answer_tokens, self.window // 4)
        files = fit_files(
            self.files, max(room // 2, room - PASSAGE_TOKENS) if has_passages else room - count_tokens(NO_PASSAGES)
        )
        room -= sum(count_tokens(file.text) for file in files)
        return FittedPrompt(files, min(PASSAGE_TOKENS, room))


def fit_files(attachments: Sequence[Attachment], token_budget: int) -> tuple[Attachment, ...]:
    """Return the files cut so that together they fit the budget; a long one gets what a short one leaves."""
    sizes = {place: count_tokens(file.text) for place, file in enumerate(attachments)}
    texts: dict[int, str] = {}
    for left, place in zip(range(len(sizes), 0, -1), sorted(sizes, key=lambda place: sizes[place]), strict=True):
        share = max(token_budget, 0) // left
        texts[place] = truncate_to_tokens(attachments[place].text, share)
        token_budget -= min(sizes[place], share)
    return tuple(Attachment(file.name, texts[place]) for place, file in enumerate(attachments))
