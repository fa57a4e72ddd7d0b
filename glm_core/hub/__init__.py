"""Where weights come from: the published models, downloads, and the models on this disk."""
