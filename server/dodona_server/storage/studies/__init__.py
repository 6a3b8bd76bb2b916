"""Statements about studies."""
