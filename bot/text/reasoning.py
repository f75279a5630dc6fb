"""Strips a model's reasoning and its control tokens from growing text.

Models write their reasoning between tags of many spellings, and some let end-of-turn tokens through. A sentence about
such tags is no reasoning: an opening tag counts only at a line's start, any other token only at a line's end or start.
"""

from __future__ import annotations

import copy
import re

ONLY_REASONING_NOTE = "-# (the model gave no answer, only its reasoning)"
"""What is shown where there was nothing but reasoning."""

_NAMES = r"(?:think|thinking|thought|thoughts|reason|reasoning|reflection|scratchpad|seed:think|inner_monologue)"
_OPENING = re.compile(
    rf"<{_NAMES}>|◁think▷|\[THINK\]|<\|begin_of_thought\|>|<\|START_THINKING\|>"
    r"|(?:<\|start\|>\w{1,20})?<\|channel\|>(?:analysis|commentary)[^<\n]{0,40}<\|message\|>",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"</{_NAMES}>|◁/think▷|\[/THINK\]|<\|end_of_thought\|>|<\|END_THINKING\|>|<\|end\|>",
    re.IGNORECASE,
)
_CONTROL = re.compile(
    r"(?:<\|start\|>\w{1,20})?<\|channel\|>final[^<\n]{0,40}<\|message\|>"
    r"|<\|(?:im_end|im_start|endoftext|eot_id|eom_id|end|return|end_of_text|begin_of_text|end_of_turn|eos|start|call"
    r"|begin_of_solution|end_of_solution|START_RESPONSE|END_RESPONSE|END_OF_TURN_TOKEN)\|>"
    r"|<end_of_turn>|<start_of_turn>|<eos>|<bos>|</s>|\[/?INST\]|<｜(?:end|begin)▁of▁sentence｜>|<｜end▁of▁turn｜>",  # noqa: RUF001 - these tokens are spelled so
    re.IGNORECASE,
)
_TOKEN = re.compile(
    rf"(?P<opening>{_OPENING.pattern})|(?P<closing>{_CLOSING.pattern})|(?P<control>{_CONTROL.pattern})", re.IGNORECASE
)
_MAX_TOKEN_LENGTH = 80
_BLOCK_LENGTH = 400
"""How much is read in one go, in characters: the time taken grows with the text, not with its square."""
_ARRIVING_HEADER = re.compile(
    r"<\|start\|>\w{0,20}(?:<[^<>\n]{0,20}(?:>[^<\n]{0,40}(?:<[^<>\n]{0,20})?)?)?\Z", re.IGNORECASE
)
"""A message header of which more may come, in which a channel decides what the message is."""
_ARRIVING = re.compile(
    r"(?:<(?:[^<>\n]{0,78}|\|[^<>\n]{0,60}\|>\w{0,20}(?:<\|?[^<>\n]{0,60})?)|◁/?[a-z]{0,5}|\[/?[A-Za-z]{0,5})\Z"
)
_FENCE = re.compile(r"[ \t>]*(?:`{3,}|~{3,})")
_MAY_BE_FENCE = re.compile(r"[ \t>]*(?:`{0,2}|~{0,2})\Z")


class ReasoningFilter:
    """Strips reasoning while text grows. Fed piece by piece it gives what the whole text would give."""

    def __init__(self) -> None:
        self._tail = ""
        self._line = ""  # what was given of the current line, its end
        self._fence = ""
        self._is_reasoning = False
        self._has_hidden = False
        self._has_output = False
        self._is_ended = False

    def feed(self, delta: str) -> str:
        """Take in newly arrived text and return what is decided of the answer itself."""
        given: list[str] = []
        for start in range(0, len(delta), _BLOCK_LENGTH):
            self._tail += delta[start : start + _BLOCK_LENGTH]
            given += self._read()
        return "".join(given)

    def _read(self) -> list[str]:
        given: list[str] = []
        while self._tail and (piece := self._read_piece()) is not None:
            given.append(piece)
        return given

    @property
    def pending(self) -> str:
        """What is held back of the answer itself, as it would be returned if the text ended here."""
        if self._is_reasoning:
            return ""
        ahead = copy.copy(self)
        ahead._is_ended = True  # noqa: SLF001 - another one of ours
        return "".join(ahead._read())  # noqa: SLF001 - likewise

    def flush(self) -> str:
        """Return the rest: no more text comes. Where there was nothing but reasoning, a note says so."""
        self._is_ended = True
        rest = "".join(self._read())
        was_reasoning, self._is_reasoning = self._is_reasoning or self._has_hidden, False
        return ONLY_REASONING_NOTE if was_reasoning and not self._has_output else rest

    def _give(self, count: int) -> str:
        piece, self._tail = self._tail[:count], self._tail[count:]
        self._has_output = self._has_output or bool(piece.strip())
        _, end, line = piece.rpartition("\n")
        self._line = line[-_MAX_TOKEN_LENGTH:] if end else (self._line + piece)[-_MAX_TOKEN_LENGTH:]
        return piece

    def _drop(self, count: int) -> str:
        self._tail = self._tail[count:]
        return ""

    def _read_piece(self) -> str | None:  # noqa: PLR0911 - one return for each kind of piece
        if self._is_reasoning:
            return self._skip_reasoning()
        if not self._has_output and not self._line and self._tail[0].isspace() and self._has_hidden:
            return self._drop(1)
        if not self._line and (is_fence := self._is_fence()) is not False:
            return self._give_fence() if is_fence else None
        if self._fence:
            return self._give_line()
        found = _TOKEN.search(self._tail)
        end = self._tail.find("\n") + 1
        if found is None or 0 < end <= found.start():
            if end:
                return self._give(end)
            arriving = None if self._is_ended else _ARRIVING.search(self._tail[-_MAX_TOKEN_LENGTH - 40 :])
            length = len(self._tail) - (len(arriving[0]) if arriving else 0)
            return self._give(length) if length else None
        if found.start():
            return self._give(found.start())
        return self._read_token(found)

    def _give_line(self) -> str:
        end = self._tail.find("\n") + 1
        return self._give(end or len(self._tail))

    def _is_fence(self) -> bool | None:
        """Tell whether the line that begins here opens or closes a block of code, None if that is open."""
        if "\n" in self._tail or self._is_ended:
            return _FENCE.match(self._tail) is not None
        if _MAY_BE_FENCE.match(self._tail):
            return None
        if _FENCE.match(self._tail) is None:
            return False
        return None if len(self._tail) < _MAX_TOKEN_LENGTH else False

    def _give_fence(self) -> str:
        line, end, _ = self._tail.partition("\n")
        found = _FENCE.match(line)
        mark = found[0].lstrip(" \t>") if found else ""
        if not self._fence:
            self._fence = mark
        elif mark.startswith(self._fence) and not line.rstrip().strip(mark[:1] + " \t>"):
            self._fence = ""
        return self._give(len(line + end))

    def _read_token(self, found: re.Match[str]) -> str | None:
        is_line_start = not self._line.strip(" \t>")
        after = self._tail[found.end() : found.end() + 1]
        if not self._is_ended and (not after or _ARRIVING_HEADER.match(self._tail, found.start())):
            return None
        if found["opening"]:
            if not is_line_start:
                return self._give(1)
            self._is_reasoning = True
            return self._drop(found.end())
        follows = self._tail[found.end() :].lstrip(" \t")
        if (
            not self._is_ended
            and (not follows or _ARRIVING.match(follows))
            and len(self._tail) < found.end() + _MAX_TOKEN_LENGTH
        ):
            return None
        is_line_end = not follows or follows[0] == "\n" or _TOKEN.match(follows) is not None
        if self._line.endswith("`") or not (is_line_end or (is_line_start and follows[0] not in "`,.;:")):
            return self._give(1)
        if is_line_start and found["closing"] and not self._has_output:
            self._has_hidden = True
        return self._drop(found.end())

    def _skip_reasoning(self) -> str | None:
        end = _CLOSING.search(self._tail)
        if end is None:
            count = len(self._tail) if self._is_ended else len(self._tail) - _MAX_TOKEN_LENGTH
            return self._drop(count) if count > 0 else None
        self._is_reasoning, self._has_hidden = False, True
        return self._drop(end.end())


def strip_reasoning(text: str) -> str:
    """Return a whole text without reasoning and control tokens."""
    reader = ReasoningFilter()
    return reader.feed(text) + reader.flush()
