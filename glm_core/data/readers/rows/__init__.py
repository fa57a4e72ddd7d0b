"""Rows that are rewritten before their layout is looked for: inner objects, one message a row, several answers, two languages."""
