"""Tasks, the guess which columns they are filled from, and the conversion of rows by such a mapping."""
