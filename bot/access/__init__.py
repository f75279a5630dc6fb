"""Who may see what, and what it may cost. No discord.

``scopes`` decides from rules, people and places what may be seen; ``collection_rules`` reads the files ``@NAME.toml``;
``guild_settings`` are one server's choices; ``budgets`` counts questions and tokens; ``admission`` admits questions.
"""
