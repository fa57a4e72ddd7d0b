"""The life of a trainer's process: its task, its device, its checkpoints, waiting for a run, stopping, and why it failed."""
