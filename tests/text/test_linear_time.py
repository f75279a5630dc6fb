"""Every function of text that runs on the event loop takes time in proportion to its input.

The functions are found by reflection, so that a new one is tried without being listed.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.no_cover  # tracing would be measured instead

PACKAGES = ["bot.text", "bot.streaming"]
MODULES = ["bot.answers.highlights", "bot.answers.excerpts", "bot.answers.status_lines"]
SHORT, LONG = 3_000, 12_000
QUADRATIC = 16
"""How much longer four times the input takes a quadratic function; below two thirds of it is taken for linear."""
NEGLIGIBLE = 0.004
"""CPU seconds in which nothing can be measured."""

SEEDS = [
    *(
        "word ",
        "a",
        "`",
        "``` ",
        "```\n",
        "[",
        "[1",
        "[1] ",
        "](",
        "*a ",
        "**",
        "_a",
        "~~",
        "||a",
        "<",
        "<a ",
        "</a>",
        "&amp;",
    ),
    *(
        "\\",
        "\\(",
        "$",
        "$a ",
        "> ",
        ">",
        "- ",
        "1. ",
        "# ",
        "| a ",
        "|-",
        "\n",
        " \n",
        "\n\n",
        "A. ",
        '."',
        "(",
        ":/",
        "a:/",
    ),
    *(
        "https://a.b ",
        "discord.gg/",
        "<think>",
        "◁",
        "<!--",
        "e\u0301",
        "漢",
        "😀",
        "\u200b",
        "\u200d",
        "【1†",
        "a_",
        " | ",
    ),
    *(
        "sentence one [1]. ",
        "- **a**: `b` [1]\n",
        "| a | b |\n|---|---|\n",
        "~~~\n",
        "    a\n",
        "![a](",
        "<br>",
        "[[1]](<a>) ",
    ),
]


def list_modules() -> Iterator[str]:
    yield from MODULES
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield from (module.name for module in pkgutil.walk_packages(package.__path__, f"{name}."))


def find_functions_of_text() -> Iterator[tuple[str, Callable[[str], object]]]:
    """Yield each public function that takes a text first, and each class that is fed text, as a function of text."""
    for module_name in sorted(set(list_modules())):
        module = importlib.import_module(module_name)
        for name, member in sorted(vars(module).items()):
            if name.startswith("_") or getattr(member, "__module__", "") != module_name:
                continue
            if inspect.isfunction(member) and (call := bind_arguments(member)):
                yield f"{module_name}.{name}", call
            elif inspect.isclass(member) and hasattr(member, "feed") and not getattr(member, "_is_protocol", False):
                yield f"{module_name}.{name}", bind_feed(member)


def bind_arguments(function: Callable[..., Any]) -> Callable[[str], object] | None:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].annotation != "str":
        return None
    simple: dict[str, Any] = {}
    for parameter in parameters[1:]:
        if parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        kind = str(parameter.annotation)
        if kind == "str":
            simple[parameter.name] = None
        elif kind == "int":
            simple[parameter.name] = 1
        elif kind.startswith(("Sequence", "Iterable", "Collection")):
            simple[parameter.name] = ()
        else:
            return None
    return lambda text: function(text, **{name: text if value is None else value for name, value in simple.items()})


def bind_feed(made: Callable[[], Any]) -> Callable[[str], object]:
    def feed(text: str) -> object:
        reader = made()
        given = reader.feed(text)
        return given, reader.flush() if hasattr(reader, "flush") else None

    return feed


FUNCTIONS = dict(find_functions_of_text())


def measure(function: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    with contextlib.suppress(ValueError, AssertionError):
        function(text)
    return time.process_time() - start


def test_the_functions_are_found() -> None:
    assert {
        "bot.text.citations.find_citation_numbers",
        "bot.text.markdown.tokenize",
        "bot.text.reasoning.ReasoningFilter",
        "bot.text.sentences.split_sentences",
        "bot.streaming.markdown.convert.convert_markdown",
        "bot.streaming.markdown.convert.DiscordMarkdownConverter",
        "bot.streaming.paging.Pager",
        "bot.answers.highlights.find_cited_spans",
    } <= set(FUNCTIONS)


PARTS = 4
"""A change is tried with one in so many seeds, for each function with others; the night tries all."""


@pytest.mark.parametrize(("number", "name"), list(enumerate(FUNCTIONS)), ids=FUNCTIONS)
def test_time_grows_with_the_text_and_not_with_its_square(number: int, name: str) -> None:
    assert_is_linear(name, SEEDS[number % PARTS :: PARTS])


@pytest.mark.nightly
@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_grows_with_every_text_and_not_with_its_square(name: str) -> None:
    assert_is_linear(name, SEEDS)


def assert_is_linear(name: str, seeds: Sequence[str]) -> None:
    function = FUNCTIONS[name]
    for seed in seeds:
        short, long = (seed * (length // len(seed)) for length in (SHORT, LONG))
        if (taken := measure(function, long)) < NEGLIGIBLE:
            continue
        base = NEGLIGIBLE
        for _ in range(3):  # a machine under load may be slow once
            base = max(measure(function, short), NEGLIGIBLE / 4)
            if taken < base * QUADRATIC * 2 / 3:
                break
            taken = min(taken, measure(function, long))
        assert taken < base * QUADRATIC * 2 / 3, (seed, base, taken)
