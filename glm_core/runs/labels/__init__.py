"""A run in words: its settings, its name and line, its figures, what came of it, what is said before it starts."""
