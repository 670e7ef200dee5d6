"""The command `letterhead`, as `python -m letterhead`."""

from letterhead.cli import main

main()
