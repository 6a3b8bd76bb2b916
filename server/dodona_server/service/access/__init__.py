"""Access: tokens, people and sessions, and what administrators do with them."""
