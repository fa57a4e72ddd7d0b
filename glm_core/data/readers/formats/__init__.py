"""A file becomes rows of columns: one format a file, and the shapes that several formats share."""
