"""Models are fitted here: which fits run when, in which processes, and what each of them does."""
