"""Tokenizers of every family behind one interface, a file for each format, and the files of a model's folder that they are read from."""
