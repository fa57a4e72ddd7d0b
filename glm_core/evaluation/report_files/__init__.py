"""A report as files to send: CSV, HTML, picture."""
