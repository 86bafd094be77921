"""`python -m cli`: the same as the command `orion`."""

from cli.main import main

main()
