"""Networks that a checkpoint can hold: one file or folder for each architecture."""
