"""Access in the database: accounts and their tokens, the audit log, and the secret of their hashes."""
