"""All facts of a catalogue in the form it is built from."""

from __future__ import annotations

import json
from typing import Any

from machochain.world.system.catalogue_file import FACTS, CatalogueFile
from machochain.world.system.facts import Block, Group


def documents(file: CatalogueFile) -> list[dict[str, Any]]:
    """Return all facts in the form ``machochain.world.system.build_catalogue`` reads.

    Building from them gives this catalogue again; with documents added, a larger one.
    """
    found: list[dict[str, Any]] = []
    for source in file.sources:
        text = {
            "schema": "machochain.sdk-facts/1",
            "sdk": source.id,
            "low": str(source.low),
            "high": str(source.high),
        }
        lists = {"complete": list(source.complete), "missing": list(source.missing), "origin": list(source.origin)}
        marks = {"links": source.links, "last": source.last}
        found.append({**text, **lists, **marks, "libraries": [], "aliases": {}})
    elsewhere: dict[str, Any] = {
        "schema": "machochain.os-facts/1",
        "observed_symbols": [],
        "declared_symbols": [],
        "missing_symbols": [],
    }
    for name, rest in file.rows.items():
        file.row(name)  # what is damaged is told here
        facts = json.loads(rest.split("\t", 2)[2] or "{}")
        for key in sorted(FACTS.keys() & facts.keys()):
            elsewhere.setdefault(key, []).extend([name, *item] for item in facts[key])
        _export_library(file, name, found, elsewhere)
    for alias in file.aliases:
        target, mask = file.alias(alias)
        for source, document in zip(file.sources, found, strict=True):
            if source in file.of(mask):
                document["aliases"][alias] = target
    return [*found, elsewhere]


def _export_library(file: CatalogueFile, name: str, found: list[dict[str, Any]], elsewhere: dict[str, Any]) -> None:
    row, block, details = file.row(name), file.block(name), file.details(name)
    items: list[dict[str, Any]] = []
    for index, document in enumerate(found):
        if row.mask >> index & 1:
            detail = details[file.sources[index].id]
            items.append({"install_name": name, **detail, **_listed(block, index), "directives": []})
            document["libraries"].append(items[-1])
    stubs = [item for item in items if item["symbols"] is not None]
    for symbol, group in block.names.items():
        if group.hidden is not None and stubs:
            stubs[-1]["directives"].append(f"$ld$hide$os{group.hidden}${symbol}")
        if group.observed is not None:
            elsewhere["observed_symbols"].append([name, symbol, *map(str, group.observed)])
        if group.since is not None or group.newest is not None or group.until is not None:
            dates = [str(v) if v is not None else "" for v in (group.since, group.newest, group.until)]
            elsewhere["declared_symbols"].append([name, symbol, *dates, group.marks])
        if group.missing is not None:
            elsewhere["missing_symbols"].append([name, symbol, str(group.missing)])


def _listed(block: Block, index: int) -> dict[str, Any]:
    """Return the symbols one SDK lists of a library, and those it lists for one processor family only."""
    bit = 1 << index
    if not (block.intel | block.arm) & bit:
        return {"symbols": None}
    only: dict[str, list[str]] = {}
    names = []
    for name, group in block.names.items():
        if (group.intel | group.arm) & bit:
            names.append(name)
            if block.intel & block.arm & bit and not group.intel & group.arm & bit:
                only.setdefault(_family(group, bit), []).append(name)
    return {"symbols": names, **({"only_on": only} if only else {})}


def _family(group: Group, bit: int) -> str:
    return "x86_64" if group.intel & bit else "arm64"
