"""How statements run: transactions, the two databases, and what both need."""
