"""Answers become evidence: scores by the published definitions, and what changed between two models."""
