"""`python -m keyturn` is `keyturn`."""

from keyturn.cli import main

main()
