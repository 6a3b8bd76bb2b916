"""Imports of `dodona import`, a module for each source."""
