"""Discord Markdown: what is open, what is converted, which links are live."""
