"""Table of calls, and what it refers to."""
