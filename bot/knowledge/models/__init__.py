"""Language and embedding models: OpenAI, any OpenAI-compatible URL, local, none."""
