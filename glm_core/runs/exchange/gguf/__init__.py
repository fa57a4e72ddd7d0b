"""GGUF files of models: for llama.cpp, Ollama and LM Studio."""
