"""Report of a study: its sections, as HTML and as Markdown."""
