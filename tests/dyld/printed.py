"""Facts -> text, by the layout of the era that is named: the other direction of what is tested.

Written from dyld's own format strings (dyld-852.2 to dyld-1378), independently of the reader.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OBSERVATIONS = Path(__file__).parents[2] / "testdata" / "observations" / "launch-failures.json"


def observations() -> list[dict[str, Any]]:
    """Return the facts of failures that were reported in public."""
    records: list[dict[str, Any]] = json.loads(OBSERVATIONS.read_text("utf-8"))
    return records


def tried_list(tried: list[list[str]]) -> str:
    return "tried: " + ", ".join(f"'{path}' ({reason})" for path, reason in tried)


def printed(record: dict[str, Any], pid: int = 4321) -> str:
    """Return what the Mac of a record printed, as far as the record tells."""
    era, _, form = record["form"].partition("/")
    old = era in {"dyld2", "dyld3"}
    prefix = "dyld: " if old else f"dyld[{pid}]: "
    loader = record["loader"]
    if loader.startswith("dlopen("):
        path = record["library"] if "dependency" not in form else "/opt/app/plugin.so"
        prefix = f"dlopen({path}, {loader[7:-1]}): "
    quoted = form.endswith("/quoted")
    if "symbol" in form:
        return prefix + _symbol(record, form, old=old, quoted=quoted)
    if form.startswith("missing-lc-uuid"):
        return f"{prefix}{record['reason']} in {record['referenced_from']}\n{prefix}{record['reason']}"
    if form.startswith("duplicate-rpath-main"):
        return f"{prefix}{record['reason']}\n in {record['referenced_from']}"
    if form.startswith("inserted"):
        tried = tried_list(record["tried"])
        head = f"{prefix}terminating because inserted dylib '{record['library']}' could not be loaded: "
        return f"{head}{tried}\n{prefix}{tried}"
    if form.startswith("dlopen-tried"):
        return prefix + tried_list(record["tried"])
    if form.startswith("dyld2-did-find-list"):
        found = "no suitable image found.  Did find:" + "".join(f"\n\t{p}: {why}" for p, why in record["tried"])
        if loader.startswith("dlopen("):
            return prefix + found
        return _library(record, prefix, found, quoted=False)
    reason = tried_list(record["tried"]) if record["tried"] else record["reason"]
    return _library(record, prefix, reason, quoted=quoted)


def _library(record: dict[str, Any], prefix: str, reason: str, *, quoted: bool) -> str:
    q = "'" if quoted else ""
    uuid = f"<{record['uuid']}> " if record["uuid"] else ""
    return (
        f"{prefix}Library not loaded: {q}{record['library']}{q}\n"
        f"  Referenced from: {uuid}{q}{record['referenced_from'] or ''}{q}\n"
        f"  Reason: {reason}"
    )


def _symbol(record: dict[str, Any], form: str, *, old: bool, quoted: bool) -> str:
    symbol = record["symbol"]
    if "flat-lookup" in form:
        return "symbol not found in flat namespace " + (f"({symbol})" if quoted else f"'{symbol}'")
    q = "'" if quoted else ""
    shown = f"({symbol})" if quoted else symbol
    uuid = f"<{record['uuid']}> " if record["uuid"] else ""
    expected_uuid = f"<{record['expected_uuid']}> " if record["expected_uuid"] else ""
    built = f" (which was built for {record['built_for']})" if record["built_for"] else ""
    gap = "     " if form == "symbol" and not old and record["uuid"] else " "
    block = (
        f"Symbol not found: {shown}\n  Referenced from: {uuid}{q}{record['referenced_from'] or ''}{q}{built}\n"
        f"  Expected in:{gap}{expected_uuid}{q}{record['expected_in']}{q}"
    )
    if record["ends_with_path"]:
        block += f"\n in {record['referenced_from']}"
    if "lazy" in form:
        return f"lazy symbol binding failed: {block}\n\ndyld: {block}"
    return block
