"""What admins see and run, without the commands.

``reindex_runs`` runs an ingestion started from chat, ``reindex_report`` writes its texts; ``document_list`` lists
documents; ``gaps`` groups unanswered questions by ``clustering`` with an ``embedding_cache``; ``feedback_export``
writes votes as CSV; ``guild_settings_text`` and ``status`` write what the commands show.
"""
