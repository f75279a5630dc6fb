"""Docent: a Discord bot that answers a team's questions from the team's own documents.

The packages; docs/architecture.md has the drawing, the way of a question and the glossary::

    __main__.py       the command line's entry
    app/              composition root: build, serve, command line, terminal, logging
    doctor/           checks of everything the bot needs
    admin/            what admins see and run: re-index runs, document list, gaps, exports, status
    discord_adapter/  everything that touches discord.py except commands
    answers/          one question from admission to record: service, session, queue, conversation, status lines
    access/           who may see what, and what it may cost
    records/          what is stored about answers, votes, usage, guild settings, the audit log and runs
    knowledge/        documents in, grounded deltas out: sources, readers, splitting, ingestion, stores, models,
                      answering
    preview/          a web page over the simulator
    simulator/        a fake Discord on loopback: HTTP API, gateway, rate limits, failures
    streaming/        text in, timed edits out; standard library only
    text/             pure text: invisible characters, search terms, sentences, citations, wording
    settings.py       the operator's settings, from the environment and .env, frozen
    domain/           values and protocols that packages exchange
    errors.py         the exception tree

    cogs/             commands, context menus, mentions and buttons; discord.py yes, LlamaIndex never

Each package imports only what lies below it; import-linter checks this by layers (pyproject.toml).
"""
