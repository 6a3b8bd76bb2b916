"""What can be done with trials."""
