"""Answers stream through a simulated Discord, and readers' eyes are measured: who shows the text soonest?

``uv run python -m benchmarks.streaming``. From the inside out::

    scripts.py      what the model says and when; every word of every answer is found nowhere else
    sight.py        what a reader could see of an answer, and when
    floor.py        the best that a lane allows, computed
    figures.py      what was said and what was seen → delay, freeze, broken fences, losses
    scenes.py       what happens: one answer or ten, which limits, what breaks
    model.py        a model that speaks by a script and knows when it was hung up on
    contenders.py   the bots that are compared: Docent, and two that edit each second
    stage.py        one scene played by one contender, on the simulator, in a process of its own
    plot.py         seconds behind the model over time, as a PNG
    tables.py       the figures as tables, and what was to be reached
"""
