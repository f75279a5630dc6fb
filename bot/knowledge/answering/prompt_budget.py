"""Shares a model's context window between the prompt's fixed parts, files, passages and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from bot.domain import Attachment, Image, ResponseStyle, Turn
from bot.knowledge.answering.prompts import NO_PASSAGES, build_question_prompt
from bot.knowledge.models.openai import ANSWER_TOKENS
from bot.knowledge.splitting.splitter import count_tokens, truncate_to_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.prompts import ChatPromptTemplate

CONTEXT_TOKENS: Final = 8_000
"""Tokens that passages may take together in a prompt, unless the operator chose another number."""

CONVERSATION_TOKENS: Final = 1_500
"""Tokens of earlier messages in a prompt; no more than an eighth of the window."""

IMAGE_TOKENS: Final = 1_100
"""Tokens kept free for a picture: OpenAI counts 765 for 1,024 × 1,024 pixels and 1,105 for the largest."""

_DELIMITER: Final = "0" * 16  # as long as the random ones


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """Files cut to what there is room for, the latest messages that fit, and the tokens left for passages."""

    files: tuple[Attachment, ...]
    conversation: tuple[Turn, ...]
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
        conversation: Earlier messages, oldest first; the latest that fit are kept.
        today: The date that the model is given.
        context_tokens: Tokens that passages may take; no more than half of the window.
        images: Pictures that came with the question.
    """

    window: int
    answer_tokens: int = ANSWER_TOKENS
    files: Sequence[Attachment] = ()
    style: ResponseStyle = field(default_factory=ResponseStyle)
    conversation: Sequence[Turn] = ()
    today: date = date.min
    context_tokens: int = CONTEXT_TOKENS
    images: Sequence[Image] = ()

    def fit(self, question: str, *, has_passages: bool) -> FittedPrompt:
        """Return what fits beside this question. Counting long files takes time: call it in a thread."""
        bare = [Attachment(file.name, "") for file in self.files]
        conversation = fit_conversation(self.conversation, min(CONVERSATION_TOKENS, self.window // 8))
        prompt = self.build_prompt(_DELIMITER, bare, _DELIMITER, conversation)
        fixed = sum(count_tokens(message.content or "") for message in prompt.format_messages())
        fixed += IMAGE_TOKENS * len(self.images)
        room = self.window - fixed - count_tokens(question) - min(self.answer_tokens, self.window // 4)
        most = min(self.context_tokens, self.window // 2)
        files = fit_files(self.files, max(room // 2, room - most) if has_passages else room - count_tokens(NO_PASSAGES))
        room -= sum(count_tokens(file.text) for file in files)
        return FittedPrompt(files, conversation, min(most, room))

    def build_prompt(
        self, delimiter: str, files: Sequence[Attachment], file_delimiter: str, conversation: Sequence[Turn]
    ) -> ChatPromptTemplate:
        """Return the prompt of this question with what fitted."""
        return build_question_prompt(
            delimiter,
            today=self.today,
            style=self.style,
            files=files,
            file_delimiter=file_delimiter,
            images=self.images,
            conversation=conversation,
        )


def fit_conversation(conversation: Sequence[Turn], token_budget: int) -> tuple[Turn, ...]:
    """Return the latest messages that fit the budget, oldest first; a long one is cut to what is left."""
    kept: list[Turn] = []
    for turn in reversed(conversation):
        text = truncate_to_tokens(turn.text, token_budget)
        token_budget -= count_tokens(text)
        kept.append(Turn(turn.speaker, text, turn.is_answer))
        if text != turn.text or token_budget <= 0:
            break
    return tuple(reversed(kept))


def fit_files(attachments: Sequence[Attachment], token_budget: int) -> tuple[Attachment, ...]:
    """Return the files cut so that together they fit the budget; a long one gets what a short one leaves."""
    sizes = {place: count_tokens(file.text) for place, file in enumerate(attachments)}
    texts: dict[int, str] = {}
    for left, place in zip(range(len(sizes), 0, -1), sorted(sizes, key=lambda place: sizes[place]), strict=True):
        share = max(token_budget, 0) // left
        texts[place] = truncate_to_tokens(attachments[place].text, share)
        token_budget -= min(sizes[place], share)
    return tuple(Attachment(file.name, texts[place]) for place, file in enumerate(attachments))
