"""ChatGLM-6B (v1), the prefix language model of the first generation."""
