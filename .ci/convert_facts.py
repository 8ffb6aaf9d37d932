# ruff: noqa: INP001 - a script, no part of a package
"""Turn a directory of raw fact tables into the documents ``machochain.world.system.build_catalogue`` reads.

    python .ci/convert_facts.py TABLES OUT
    machochain sdk index SDK > OUT/sdk.json                       (for each SDK at hand)
    python -m machochain.world.system.build_catalogue OUT/*.json -o machochain/world/system/data/catalogue.bin

The tables lack the symbols that stubs of version 4 re-export one by one (``reexports:``; libc++ passes on those of
libc++abi, libsystem_c those of libsystem_platform). Documents made from the SDKs themselves bring them in: the shipped
catalogue was built with those of 11.3, 12.0, 13.3, 14.0 and 14.2 and of the libSystem stubs of 10.15 to 27.0.

The tables are JSON lines (some xz): ``libs*`` (one library per SDK), ``symbols*`` ([sdk, src, install name, [names]]),
``ld_directives*`` ([sdk, install name, text]), ``aliases`` ([sdk, link, target, resolves]), ``wheel_observed``
([stamp, install name, current, compat, count]), ``imports_observed`` ([install name, symbol, low stamp, high stamp,
lowest minos, count]), ``pyobjc_frameworks`` and ``objc2_frameworks`` (name, introduced, removed).
"""

from __future__ import annotations

import json
import lzma
import posixpath
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FRAMEWORKS = "/System/Library/Frameworks/"
PRIVATE = "/System/Library/PrivateFrameworks/"

# Public frameworks that whoever published the copies of 11.3 and 12.0 had deleted (binaries built with these and newer
# SDKs link them), and Swift-only ones, which went with usr/lib/swift.
DELETED_NAMES = """
AVFoundation Accelerate AudioToolbox CoreAudioTypes CoreTelephony DiscRecording GameKit IOBluetooth Intents
JavaScriptCore OpenCL Python Quartz SceneKit Tcl Tk WebKit Combine CreateML CreateMLUI CryptoKit SwiftUI
RealityKit RealityFoundation WidgetKit MusicKit TabularData AppIntents
"""
DELETED = tuple(f"{FRAMEWORKS}{name}.framework/" for name in DELETED_NAMES.split())
EVERYTHING = ["/usr/lib/", FRAMEWORKS, PRIVATE]
COVERAGE: dict[str, dict[str, Any]] = {
    **{sdk: {"complete": EVERYTHING, "links": sdk != "10.9"} for sdk in ("10.9", "10.10", "10.11", "10.12", "10.13")},
    "11.3": {"complete": EVERYTHING, "missing": ["/usr/lib/swift/", *DELETED], "links": True},
    "12.0": {"complete": ["/usr/lib/", FRAMEWORKS], "missing": ["/usr/lib/swift/", *DELETED], "links": True},
}
# Frameworks that only Swift code links, from Apple's documentation: no stub of any is at hand.
SWIFT_FRAMEWORKS = {
    "10.14": ["CreateML"],
    "10.15": ["Combine", "CryptoKit", "RealityKit", "SwiftUI"],
    "11.0": ["WidgetKit"],
    "12.0": ["MusicKit", "TabularData"],
    "13.0": ["AppIntents", "Charts", "WeatherKit"],
    "14.0": ["SwiftData", "TipKit"],
}
# Links that left the SDKs and were seen loaded later (the process is aborted when they are: still, they are there).
STILL_THERE = [[f"/usr/lib/lib{name}.dylib", "10.12", "crash reports of 10.15 to 14.2"] for name in ("crypto", "ssl")]
SWIFT_5 = """
Core Darwin CoreFoundation CoreGraphics CoreImage CoreData CoreLocation CoreAudio CoreMedia Dispatch Foundation IOKit
Metal MetalKit ObjectiveC QuartzCore XPC os simd AppKit AVFoundation CloudKit Contacts EventKit Intents ModelIO Photos
SceneKit SpriteKit SwiftOnoneSupport Vision Network NaturalLanguage
"""
SWIFT = {
    "10.14.4": SWIFT_5.split(),
    "12.0": ["_Concurrency"],
    "13.0": ["_StringProcessing", "Distributed", "RegexBuilder"],
    "14.0": ["Observation"],
    "15.0": ["Synchronization"],
}
REMOVED = [
    [f"{FRAMEWORKS}Python.framework/Versions/2.7/Python", "12.3", "macOS 12.3 release notes: Python 2.7 was removed"],
]
# Names of wrappers and crates that are no framework of the OS.
NO_FRAMEWORK = {"XCTest", "XCUIAutomation", "GameCenter", "libdispatch", "libxpc"}


def rows(path: Path) -> Iterator[Any]:
    """Yield the JSON value of each line."""
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def bounds(sdk: str) -> tuple[str, str]:
    """Return the lowest and highest version a table's SDK id may stand for."""
    return (f"{sdk[:-2]}.0", f"{sdk[:-2]}.255") if sdk.endswith(".x") else (sdk, sdk)


def as_path(stub: str) -> str:
    """Turn a stub's path in the SDK into the path of the library it stands for."""
    path = "/" + stub.lstrip("/")
    base = path.removesuffix(".tbd")
    return base + ".dylib" if posixpath.basename(base).startswith("lib") and not base.endswith(".dylib") else base


def resolve_links(links: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    """Map each link (as a library path) to the install name it leads to."""
    found = {}
    for link, first in links.items():
        target = first
        for _ in range(10):
            if target not in links:
                break
            target = links[target]
        found[as_path(link)] = files.get(target) or as_path(target)
    return found


def main(tables: Path, out: Path) -> None:
    """Write one document per (sdk, src) and one of facts from elsewhere."""
    out.mkdir(parents=True, exist_ok=True)
    documents: dict[tuple[str, str], dict[str, Any]] = {}
    libraries: dict[tuple[str, str, str], dict[str, Any]] = {}
    files: dict[str, dict[str, str]] = defaultdict(dict)
    known = set()
    misnamed: list[tuple[dict[str, Any], str]] = []
    for table in ("libs-10.9.jsonl.xz", "libs.jsonl.xz", "libs-macho-in-tbd-sdks.jsonl.xz"):
        for row in rows(tables / table):
            sdk, src, name = row["sdk"], row["src"], row["install_name"]
            low, high = bounds(sdk)
            document = documents.setdefault(
                (sdk, src),
                {"schema": "machochain.sdk-facts/1", "sdk": sdk, "low": low, "high": high, "origin": src,
                 "complete": [], "missing": [], "links": False, **COVERAGE.get(sdk, {}), "libraries": [],
                 "aliases": {}},
            )  # fmt: skip
            targets = [re.sub("^X86_64-", "x86_64-", re.sub("^X86-", "i386-", t)) for t in row["targets"]]
            item = {k: row.get(k) for k in ("install_name", "current", "compat", "umbrella", "clients", "reexports")}
            item |= {"targets": targets, "flags": row.get("flags"), "symbols": None, "directives": []}
            document["libraries"].append(item)
            if not name.startswith(("/usr/lib/", "/System/")) and not row.get("inlined"):
                misnamed.append((item, as_path(row["path"])))  # @rpath/… or a build folder: what counts is its place
            libraries.setdefault((sdk, src, name), item)
            known.add(name)
            if not row.get("inlined"):
                files[sdk][row["path"]] = name
                if as_path(row["path"]) != name:
                    document["aliases"][as_path(row["path"])] = name
    for table in ("symbols-10.9.jsonl.xz", "symbols.jsonl.xz"):
        for sdk, src, name, symbols in rows(tables / table):
            item = libraries[sdk, src, name]
            item["symbols"] = sorted({*(item["symbols"] or ()), *symbols})
    legacy: dict[str, str] = {}
    for table in ("ld_directives-10.9.jsonl.xz", "ld_directives.jsonl.xz"):
        for sdk, name, text in rows(tables / table):
            parts = text.split("$")
            old = parts[3] if parts[2] == "previous" and parts[5] == "1" else None
            since = parts[6] if old else None
            if parts[2] == "install_name":
                old, since = parts[4], parts[3].removeprefix("os")
            if old and since and old.startswith("/") and old not in known:
                legacy[old] = min(legacy.get(old, since), since, key=lambda v: [int(x) for x in v.split(".")])
            for src in ("full-macho", "full", "partial", "subset", "zig-libSystem"):
                if parts[2] in {"hide", "previous", "install_name"} and (sdk, src, name) in libraries:
                    libraries[sdk, src, name]["directives"].append(text)
                    break
    links: dict[str, dict[str, str]] = defaultdict(dict)
    for sdk, link, target, _ in rows(tables / "aliases.jsonl.xz"):
        rooted = target.startswith(("usr/", "System/"))
        links[sdk][link] = target if rooted else posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
    for (sdk, _), document in documents.items():
        if document["complete"]:
            document["aliases"] |= resolve_links(links[sdk], files[sdk])
    for item, place in misnamed:
        item["install_name"] = place
    for (sdk, src), document in documents.items():
        (out / f"sdk-{sdk}-{src}.json").write_text(json.dumps(document))
    (out / "os.json").write_text(json.dumps(os_facts(tables, known, legacy)))


def os_facts(tables: Path, known: set[str], legacy: dict[str, str]) -> dict[str, Any]:
    """Return the document of facts that come from no SDK."""
    nested = {p.rpartition("/")[2] for p in known if p.count(".framework/") > 1}
    introduced = []
    removed = list(REMOVED)
    sources: dict[str, list[tuple[str, str | None, str | None]]] = defaultdict(list)
    for name, since, until in json.loads((tables / "pyobjc_frameworks.json").read_text()):
        sources[name].append(("PyObjC", since, until))
    for name, since in rows(tables / "objc2_frameworks.jsonl"):
        sources[name].append(("objc2", since, None))
    for name, facts in sources.items():
        form = re.compile(rf"{FRAMEWORKS}{re.escape(name)}\.framework/(Versions/\w/)?{re.escape(name)}")
        candidates = [p for p in known if form.fullmatch(p)]
        path = candidates[0] if candidates else f"{FRAMEWORKS}{name}.framework/Versions/A/{name}"
        if name in NO_FRAMEWORK or (not candidates and name in nested):
            continue
        for origin, since, until in facts:
            version = [int(x) for x in since.split(".")] if since else None
            if version and (candidates or version > [10, 13]):  # a framework of 10.13 would be in that complete SDK
                introduced.append([path, since, origin])
            if until:
                removed.append([path, until, origin])
    for since, names in SWIFT.items():
        why = "Swift 5 ABI stability" if since == "10.14.4" else "Apple's availability of the Swift library"
        introduced += [[f"/usr/lib/swift/libswift{name}.dylib", since, why] for name in names]
    for since, names in SWIFT_FRAMEWORKS.items():
        introduced += [[f"{FRAMEWORKS}{n}.framework/Versions/A/{n}", since, "Apple's documentation"] for n in names]
    stamps: dict[str, list[str]] = defaultdict(list)
    symbols = []
    for name, symbol, low, high, _, _ in rows(tables / "imports_observed.jsonl.xz"):
        stamps[name] += [low, high]
        symbols.append([name, symbol, low, high])
    for stamp, name, *_ in rows(tables / "wheel_observed.jsonl"):
        stamps[name].append(stamp)
    key = lambda v: [int(x) for x in v.split(".")]  # noqa: E731 - a sort key
    return {
        "schema": "machochain.os-facts/1",
        "introduced": introduced,
        "removed": removed,
        "legacy": [[name, since, "linkers record it"] for name, since in legacy.items()] + STILL_THERE,
        "observed": [[name, min(v, key=key), max(v, key=key)] for name, v in stamps.items()],
        "observed_symbols": symbols,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
