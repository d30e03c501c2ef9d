"""`python -m keyturn` is `keyturn`."""

import sys

if not sys.flags.safe_path:
    # Python puts the current directory first; what lies there is no part of a server.
    del sys.path[0]

from keyturn.cli import main

main()
