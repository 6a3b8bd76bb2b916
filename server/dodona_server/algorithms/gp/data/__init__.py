"""What the bandit knows, as arrays: the space, the trials, the hints."""
