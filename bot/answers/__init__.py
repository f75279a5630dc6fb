"""One question from admission to record. No discord."""
