"""`python -m dodona`, the same as `dodona`."""

from dodona_cli import main

main()
