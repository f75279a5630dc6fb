"""Pure text: invisible characters, search terms, citations."""
