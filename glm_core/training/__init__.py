"""Examples and a model become an adapter. Importing this room, its settings, guard and memory imports no torch."""
