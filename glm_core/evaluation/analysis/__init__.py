"""What judged answers say about a run: changes with their tests, drift, chance, minimal pairs, one sentence."""
