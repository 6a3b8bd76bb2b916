"""Use cases: one method a use case, one transaction a method."""
