"""Search space as algorithms need it."""
