"""Accounts, API keys, sign-in, and the middleware that guards every request."""
