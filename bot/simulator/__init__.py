"""A simulated Discord on loopback, over real HTTP and a real gateway: for the tests, the benchmarks and the preview.

From the inside out::

    members.py channels.py messages.py interactions.py components.py events.py    values
    message_drafts.py        what a bot may put into a message, and Discord's errors
    command_options.py command_permissions.py    what a command takes, and to whom it is offered
    world.py                 World: everything there is, who watches, and four objects that change it:
        admin_actions.py         world.admin             guilds, members, roles, channels
        user_actions.py          world.people            what people write, click and submit
        bot_api.py               world.bot_api           what a bot does with its token
        interaction_api.py       world.interaction_api   what a bot does with an interaction's token
    discord_json.py interaction_json.py resolved_data.py    the world as Discord's JSON
    rate_limits.py faults.py clock.py            429s, injected failures, time
    routes.py                the HTTP API's routes
    gateway.py dispatches.py the WebSocket: identify, dispatch, resume
    server.py                DiscordSimulator, which serves all of it

Knows neither the bot nor discord.py.
"""
