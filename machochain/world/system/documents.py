"""All facts of a catalogue in the form it is built from."""

from __future__ import annotations

import json
from typing import Any

from machochain.world.system.catalogue_file import DATED, CatalogueFile


def documents(file: CatalogueFile) -> list[dict[str, Any]]:
    """Return all facts in the form ``machochain.world.system.build_catalogue`` reads.

    Building from them gives this catalogue again; with documents added, a larger one.
    """
    documents: list[dict[str, Any]] = []
    for source in file.sources:
        text = {
            "schema": "machochain.sdk-facts/1",
            "sdk": source.id,
            "low": str(source.low),
            "high": str(source.high),
        }
        lists = {"complete": list(source.complete), "missing": list(source.missing), "origin": list(source.origin)}
        documents.append({**text, **lists, "links": source.links, "libraries": [], "aliases": {}})
    elsewhere: dict[str, Any] = {"schema": "machochain.os-facts/1", "observed_symbols": []}
    for name, rest in file.rows.items():
        file.row(name)  # what is damaged is told here
        facts = json.loads(rest.split("\t", 2)[2] or "{}")
        for key in sorted(DATED & facts.keys()):
            elsewhere.setdefault(key, []).extend([name, *item] for item in facts[key])
        _export_library(file, name, documents, elsewhere)
    for alias in file.aliases:
        target, mask = file.alias(alias)
        for source, document in zip(file.sources, documents, strict=True):
            if source in file.of(mask):
                document["aliases"][alias] = target
    return [*documents, elsewhere]


def _export_library(file: CatalogueFile, name: str, documents: list[dict[str, Any]], elsewhere: dict[str, Any]) -> None:
    row, block, details = file.row(name), file.block(name), file.details(name)
    items: list[dict[str, Any]] = []
    for index, document in enumerate(documents):
        if row.mask >> index & 1:
            listed = block.mask >> index & 1
            symbols = [n for n, group in block.names.items() if group.mask >> index & 1] if listed else None
            detail = details[file.sources[index].id]
            items.append({"install_name": name, **detail, "symbols": symbols, "directives": []})
            document["libraries"].append(items[-1])
    for symbol, group in block.names.items():
        if group.hidden is not None and items:
            items[-1]["directives"].append(f"$ld$hide$os{group.hidden}${symbol}")
        if group.observed is not None:
            elsewhere["observed_symbols"].append([name, symbol, *map(str, group.observed)])
