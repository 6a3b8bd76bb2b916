"""Checks of who may send what: tokens and sessions, failed tries, proxies, rates."""
