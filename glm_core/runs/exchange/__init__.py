"""Adapters that leave and enter: export, import, merge."""
