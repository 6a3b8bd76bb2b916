"""What several algorithms need of a history."""
