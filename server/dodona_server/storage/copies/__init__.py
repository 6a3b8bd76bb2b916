"""Copies of a database: archives, and moves between databases."""
