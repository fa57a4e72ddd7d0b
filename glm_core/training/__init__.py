"""Examples and a model become an adapter. Importing this package, its settings, plan and memory imports no torch."""
