"""Roles, and the credentials of those who have them."""
