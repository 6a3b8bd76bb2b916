"""One trial while it trains."""
