"""The peers: how each is served, and how its own client asks, reports and completes."""
