"""How trials are handed out."""
