"""Conclusions from judged answers: changes with their tests, drift, chance, minimal pairs, one sentence."""
