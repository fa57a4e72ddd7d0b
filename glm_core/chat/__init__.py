"""Conversations, feedback on answers, guests."""
