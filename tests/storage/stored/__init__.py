"""A small database of each revision that another one follows, as SQL text, with the rows that are in it.

When a migration is added, give its predecessor rows in `rows.py` and run

    python -m tests.storage.stored.write REVISION

before the predecessor is forgotten: what a released server has written must be read for ever.
"""
