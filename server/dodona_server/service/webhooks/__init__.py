"""Webhooks: make them, and send events to them."""
