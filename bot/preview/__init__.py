"""A loopback stand-in for Discord, real HTTP and a real gateway, and a page that looks like it.

The stand-in, from the inside out::

    drafts.py    what a bot may put into a message; Discord's refusals
    world.py     people, channels, messages with all their states, interactions; what people do and what the bot may do
    limits.py    rate limits: windows, verdicts, headers
    faults.py    what can be made to go wrong
    wire.py      the world as Discord's JSON
    routes.py    the HTTP API's table: each route, what it does, what it is counted in
    gateway.py   the WebSocket: identify, dispatch, resume
    standin.py   the server that holds them together

The page is ``page.py`` with what it needs. Nothing here knows the bot, nor discord.py.
"""
