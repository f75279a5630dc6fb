"""Alembic migrations of the records; one module in ``versions`` for each."""
