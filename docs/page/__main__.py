"""``python -m docs.page OUT``: builds the page that answers in the browser; ``--serve`` shows it on this machine."""

from __future__ import annotations

import argparse
import functools
import http.server
import sys
from pathlib import Path

from docs.page.build import BuildError, build


def main(arguments: list[str] | None = None) -> int:
    """Build the page, and serve it if asked to."""
    parser = argparse.ArgumentParser(prog="docs.page", description=(__doc__ or "").split(";")[0])
    parser.add_argument("out", type=Path, help="folder to write; replaced if this command wrote it")
    parser.add_argument("--cache", type=Path, help="where what is fetched is kept")
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve it at http://localhost:PORT/")
    given = parser.parse_args(arguments)
    try:
        sizes = build(given.out, given.cache)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    for name, size in sizes.items():
        print(f"{size:>10,}  {name}")
    print(f"{sum(sizes.values()):>10,}  {given.out}")
    if given.serve:
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=given.out)
        with http.server.ThreadingHTTPServer(("localhost", given.serve), handler) as server:
            print(f"http://localhost:{server.server_port}/")
            server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
