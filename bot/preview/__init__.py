"""A web page that looks like Discord, over a simulated Discord: try the bot without a key.

::

    page.py             access by key, files of the page, the actions' routes
    event_feed.py       the world's events, sent to the browser as they happen
    views.py            channels, messages and members as the page shows them
    command_views.py    the commands that a person is offered
    component_views.py  buttons, menus and modals
    answer_metrics.py   what an answer cost: first words, edits, rate limits
    rendering.py        Discord's Markdown as HTML
    page_actions.py     what a person does on the page; request_body.py checks its JSON
    page/               HTML, CSS and JavaScript, without a build step

Knows neither the bot nor discord.py.
"""
