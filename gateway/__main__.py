"""`python -m gateway` is the command `sekisho`."""

from gateway.cli.main import main

main()
