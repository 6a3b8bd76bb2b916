"""`python -m dodona_server`, the same as `dodona`."""

from dodona_server.cli import main

main()
