"""`python -m dodona`, the same as `dodona`."""

from dodona.commands import main

main()
