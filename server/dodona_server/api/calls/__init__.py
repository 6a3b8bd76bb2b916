"""The table of calls, and what it refers to."""
