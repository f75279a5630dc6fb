"""Documents into Nodes that know their section."""
