"""Serving: sockets, processes, TLS, and limits on connections."""
