"""The life of a trainer's process: waiting for a run, stopping, and why it failed."""
