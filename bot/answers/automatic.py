"""Finds the answer to a question that nobody asked the bot, where the documents answer it clearly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import DocentError

if TYPE_CHECKING:
    from bot.domain import Answer, Answerer, Question


async def find_automatic_answer(answerer: Answerer, question: Question) -> Answer | None:
    """Return an answer if the retrieval evidence is clear, else None. No model is asked."""
    try:
        answer = await answerer.answer(question)
    except DocentError:
        return None
    return answer if answer.is_confident else None
