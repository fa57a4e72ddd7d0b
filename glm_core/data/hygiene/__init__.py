"""Faults of a data set beyond single rows: near-duplicates, contradictions, personal data, placeholders; found, shown, mended."""
