"""One file, many formats and layouts: each reader turns one of them into examples."""
