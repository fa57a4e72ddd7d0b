"""Sources of weights: the published models, downloads, and the models on this disk."""
