"""Output of a search while it runs."""
