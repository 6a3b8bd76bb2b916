"""Calls about access: sign-in, tokens, people, the audit log."""
