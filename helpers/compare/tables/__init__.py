"""The tables: as CSV, Markdown, LaTeX and HTML."""
