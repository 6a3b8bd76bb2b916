"""Following studies: their events, and word that something has changed."""
