"""The peers: how each is served and how one of its workers asks, reports and completes, by its own client."""
