"""The composition root: settings go in, and the rooms come out joined. Nothing else names every room."""
