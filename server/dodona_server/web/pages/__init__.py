"""Pages, and what each shows."""
