"""Metrics, traces and logs of a server, for operators. Nothing here imports another part of the server."""
