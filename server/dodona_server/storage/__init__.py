"""Durable state: tables, queries and transactions. Domain values in, domain values out; the only place with SQL."""
