"""Web pages named in a urls.txt."""
