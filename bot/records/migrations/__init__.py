"""Steps from each release's records to the next one's; ``versions`` holds one module for each, which Alembic orders."""
