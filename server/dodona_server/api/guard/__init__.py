"""Who may send what: tokens and sessions, failed tries, proxies, rates."""
