"""Accounts and API keys; from where this server is reached, the checks of every request, the pages for signing in."""
