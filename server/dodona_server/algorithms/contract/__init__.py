"""What an algorithm is given and what it returns."""
