"""The computer: GPUs, memory, processor."""
