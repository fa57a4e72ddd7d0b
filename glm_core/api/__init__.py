"""The HTTP API over the engine, as OpenAI's clients expect it."""
