"""What a point is worth, and the search for the best one."""
