"""Vertex AI Vizier v1 dialect."""
