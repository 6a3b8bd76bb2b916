"""Data of the bandit as arrays: the space, the trials, the hints."""
