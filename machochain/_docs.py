"""Where the documentation is published: one address, set here."""

from __future__ import annotations

import os
from functools import cache

ADDRESS = ""
"""Address of the published pages, as `[project.urls]` in pyproject.toml repeats it; empty while they have none."""

VARIABLE = "MACHOCHAIN_DOCS"
"""Names another address, for those who publish the pages themselves."""


def base() -> str:
    """Return the address of the pages with ``/`` at its end; empty if there is none."""
    address = os.environ.get(VARIABLE, ADDRESS)
    return address.rstrip("/") + "/" if address else ""


def rule_page(rule: str) -> str:
    """Return the address of a rule's page; without an address, the place of the page in the sources.

    ``machochain explain RULE`` shows the same without a network.
    """
    return _rule_page(base(), rule)


@cache
def _rule_page(site: str, rule: str) -> str:
    return f"{site}rules/{rule}.html" if site else f"docs/rules/{rule}.md"
