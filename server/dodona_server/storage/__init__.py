"""Durable state: tables, queries and transactions, in domain values. The only package with SQL."""
