"""Study that the workers of a search share."""
