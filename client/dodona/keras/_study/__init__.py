"""The study that the workers of a search share."""
