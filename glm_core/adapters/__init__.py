"""LoRA and prefix adapters: attach, save, load, scale, merge."""
