"""Docent: a Discord bot that answers a team's questions from the team's own documents.

The map. Each room, and what it may know (import-linter holds the arrows; see pyproject.toml)::

    __main__.py      the command line: run · preview · ask · reindex · evaluate · migrate-store · doctor
    app/             composition root: the only room that names every other
        serving.py       the bot and its preview; commands.py: what is done from a terminal
        opening.py       settings → knowledge, opened while the bot connects
    settings.py      the operator's choices, read once, frozen
    errors.py        the exception tree, drawn in its docstring
    answering.py     shared words: Question, Answer, Source, Scope, Outcome; the protocols Answerer and Library
    collections.py   a collection's name as people read and type it; words.py: what texts are compared by
    unseen.py        a text without the signs that nobody sees: whatever is shown, and whatever a model is told; pure
    citations.py     [n] marks and sources → what is shown under an answer; marking.py: what a passage says of it; pure
    conversation.py  what was said before: bounded, pure
    asking.py        a question asked: let in, told on a surface, with its buttons, remembered whatever its end
    queueing.py      who is answered next when many ask at once
    telling.py       one question told to its end: status line, deltas, closing words; no Discord, no LlamaIndex
    client.py        the Discord client: intents, extensions, error handler, lifecycle
    clicks.py        the edge around a click; attachments.py: files that came with a question
    buttons.py       which buttons stand below an answer, and what a pressed one means; pure
    handouts.py      what one person is handed: passages quoted, exact text to copy; pure
    hearing.py       what was said before a message, read back from Discord
    exchanges.py     a question by message and where its answer stands, for when it is edited
    policy/          WHO MAY SEE WHAT, AND WHAT IT MAY COST: scopes, rules, budgets, a guild's choices, admission
    managing/        WHAT ADMINS DO AND SEE: runs, lists, gaps, exports, status; the commands are cogs
    records/         what is remembered: answers, votes, spendings, choices, acts, runs; SQLite or PostgreSQL
    surfaces/        where an answer appears
        messages.py      pages and their buttons: an interaction's response or a channel
        doors.py         how they reach Discord
        limits.py        rate-limit headers → lanes
        rights.py        what the bot may do where; leftovers.py: pages a killed process left open
    telemetry.py     logs, without secrets
    terminal.py      what the command line shows: answers, progress, tables
    doctor/          a look from the outside at everything the bot needs
    streaming/       TEXT IN, TIMED EDITS OUT. Standard library only: no discord, no LlamaIndex, no clock of its own
        markdown.py      what is open here? fences, inline marks; close, reopen
        marks.py         which marks stand open on a line, and whether that is certain
        rewriting.py     the model's Markdown → Discord's; Dialect chains it with the links
        inline.py        the signs within a line: images, formulas, HTML
        tables.py        a table → an aligned block, or a list
        links.py         every link inert that is not a source's, however it is cut
        paging.py        growing text → pages that each fit; a sealed page never changes
        actions.py       what a reply asks for: Post / Edit
        reply.py         one answer as it appears: text and time in, actions out
        lanes.py         who may edit next: budgets learned from headers
        doors.py         what is told, where it appears, why it ends
        run.py           one answer on its way: pump, surface, stop, deadlines
        driver.py        all that are open
    knowledge/       DOCUMENTS IN, GROUNDED DELTAS OUT. LlamaIndex, never discord
        local.py         a small embedding model from a package, on this machine
        models.py        model choices → LLM and embedding model (OpenAI, any OpenAI-compatible URL, local, or none)
        readers/         files → Documents with stable ids, titles, pages; a module for each family of formats
        headings.py      a text → sections with their heading paths; blocks.py: where each may be cut
        splitting.py     Documents → Nodes that know their section
        child.py         reading and splitting in a process with limits
        planning.py      the folder against the index; spool.py: what is read and not searchable yet
        web.py           pages named in a urls.txt; web_addresses.py: what may be fetched; web_fetching.py: one page
        embedding.py     batches to the model, tried again; running.py: one run; ingestion.py: its door
        shelf.py         files and pages that are added and removed from chat; attachments.py: read once, never kept
        stores/          one contract suite: sqlite.py (FTS5 and a float32 matrix in one file), postgres.py (pgvector)
        retrieval.py     question → fused Nodes under a Scope; evidence.py: whether they hold an answer
        rewriting.py     a follow-up → a question that stands alone
        synthesis.py     nodes → AsyncStreamingResponse → async_response_gen() deltas
        quoting.py       the same without a model: the best sentences, word for word; units.py: what can be quoted
        evaluation.py    a set of questions → how well they are found
        refusing.py      a model that says it was not given the answer; tally.py: what it took in tokens
        prompts.py       every word said to a model; proving.py: which host answers
        base.py          KnowledgeBase: implements Answerer and Library
    preview/         a loopback stand-in for Discord (HTTP + gateway) and a page that looks like it; tests use it too

    cogs/            WHAT PEOPLE CAN SAY. thin: discord yes, LlamaIndex never; handed an Answerer, never the bot

Direction: ``app`` → ``cogs``, ``knowledge``, ``preview`` · ``cogs`` → ``policy``, ``managing``, ``asking``, ``client``,
``surfaces``, ``telling`` → ``streaming`` → nothing · ``knowledge`` → ``answering``, ``citations``, ``words``,
``unseen``, ``errors`` → nothing.
"""
