"""`python -m examples.tours`: the application on loopback, with access tokens that live for half a minute."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn
from examples.tours.app import PASSWORD, PEOPLE, create_app

from keyturn.adapters.fastapi import KeyturnAuth


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.tours", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data-dir", type=Path, default=Path("tours-data"))
    parser.add_argument("--access-ttl", default="30s", help="how long an access token lives (default: %(default)s)")
    arguments = parser.parse_args()
    auth = KeyturnAuth.open(data_dir=arguments.data_dir, port=arguments.port, access_ttl=arguments.access_ttl)
    app = create_app(auth, arguments.data_dir / "tours.db")
    print(f"Tours answers at http://127.0.0.1:{arguments.port}", flush=True)
    print(f"Sign in as one of {', '.join(PEOPLE)} with: {PASSWORD}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, proxy_headers=False, log_level="warning")


main()
