"""BLOOM: transformers' own network, whose training steps can be recorded."""
