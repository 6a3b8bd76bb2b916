"""What can be done with studies."""
