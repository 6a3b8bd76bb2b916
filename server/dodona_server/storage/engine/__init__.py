"""Execution of statements: transactions, the two databases, and what both need."""
