"""A loopback stand-in for Discord, real HTTP and a real gateway, and a page that looks like it.

The stand-in, from the inside out::

    drafts.py        what a bot may put into a message; Discord's refusals
    people.py        people, guilds, roles, permissions
    channels.py      where they talk, and who may do what there
    messages.py      a message with all its states
    interactions.py  what a person did with the bot, and what became of it
    commands.py      who is offered a command; options.py: what a command takes
    components.py    what stands below a message and in a form
    events.py        what whoever watches is told
    world.py         all of it in one: ground.py (what is there), furnishing.py (the scene is set), deeds.py (what
                     people do), requests.py and responses.py (what the bot does, with its token or an interaction's)
    limits.py        rate limits: windows, verdicts, headers
    faults.py        what can be made to go wrong
    wire.py          the world as Discord's JSON
    envelopes.py     an interaction as Discord's JSON, with all that is named in it (named.py)
    routes.py        the HTTP API's table: each route, what it does, what it is counted in
    gateway.py       the WebSocket: identify, dispatch, resume; dispatches.py: what a bot hears of what happens
    standin.py       the server that holds them together

The page is ``page.py`` (who may come in, what is served) with ``feed.py`` and ``views.py`` (what a browser is
told),
``offers.py``, ``fields.py`` and ``figures.py`` (commands; buttons and forms; what an answer cost),
``rendering.py``
(Markdown), ``acts.py`` and ``asked.py`` (what a person does there). Nothing here knows the bot, nor discord.py.
"""
