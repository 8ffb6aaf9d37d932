# ruff: noqa: INP001 - a script, no part of a package
"""Turn raw fact tables and indexed SDKs into the documents ``machochain.world.system.build_catalogue`` reads.

    machochain sdk index SDK > INDEXED/NAME.json                    (for each SDK at hand)
    python .ci/convert_facts.py TABLES OUT INDEXED... [--headers VERSION=SDK ...]
    python -m machochain.world.system.build_catalogue OUT/*.json -o machochain/world/system/data/catalogue.bin

The same tables and SDKs give the same catalogue, byte for byte. The shipped one was built with the SDKs 11.3 and 12.0
(nearly whole), 13.3, 14.0 and 14.2 (parts), and the libSystem stubs of 10.15, 11.3, 12.0, 12.3, 13.3, 14.0, 15.1, 15.5,
26.4 and 27.0, each laid out as the SDK folder it came from; the headers of 12.0 and 14.2 tell which symbols are API.

The tables are JSON lines (some xz). Of SDKs: ``libs*`` (one library per SDK), ``symbols*`` ([sdk, src, install name,
[names]]), ``ld_directives*`` ([sdk, install name, text]), ``aliases`` ([sdk, link, target, resolves]). Of binaries:
``wheel_observed`` ([stamp, install name, current, compat, count]), ``imports_observed`` ([install name, symbol, low
stamp, high stamp, lowest minos, count]). Of wrappers: ``pyobjc_frameworks`` and ``objc2_frameworks`` (name, introduced,
removed). In folders named by a date, of headers, open source and Macs: ``symbol_dates``, ``symbol_declared``,
``oss_symbols``, ``oss_release``, ``libraries``, ``os_observations``, ``patterns``, ``sdk_settings``.
"""

from __future__ import annotations

import argparse
import json
import lzma
import posixpath
import re
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
# Files of one release that give its SDK no other coverage than single libraries.
PARTS = {"complete": [], "missing": [], "links": False}
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


# The libraries that a project of Apple's open source is, where its presence in a release means that of the library.
PROJECTS = """
ICU:icucore.A bzip2:bz2.1.0 cups:cups.2 curl:curl.4 expat:expat.1 libarchive:archive.2 libedit:edit.3 libffi:ffi
libiconv:iconv.2 libpcap:pcap.A libresolv:resolv.9 libutil:util libxml2:xml2.2 libxslt:xslt.1 libxslt:exslt.0
OpenLDAP:LDAP ncurses:ncurses.5.4 ncurses:form.5.4 ncurses:menu.5.4 ncurses:panel.5.4 zlib:z.1 iodbc:iodbc.2
iodbc:iodbcinst.2 OpenPAM:pam.2 tidy:tidy.A xar:xar.1 objc4:objc.A passwordserver_sasl:sasl2.2 hunspell:hunspell-1.2.0
"""
# The newest SDK that each source of declarations speaks for.
SPEAKS_FOR = {
    "pyobjc": "26.5",
    "zig27": "27.0",
    "sdk14.2": "14.2",
    "sdk12.0": "12.0",
    "macios": "15.2",
    "objc4": "26.0",
}
# Libraries whose dates are those of the code itself, not just of its announcement.
DATED_BY_CODE = ("/usr/lib/libSystem.B.dylib", "/usr/lib/libobjc.A.dylib", "/usr/lib/libz.1.dylib")
SWIFT_ABI = re.compile(r"/usr/lib/swift/libswift(?!Demangle|RemoteMirror)\w+\.dylib")
STABLE = {
    "/usr/lib/libc++.1.dylib": "LLVM takes no symbol back",
    "/usr/lib/libc++abi.dylib": "LLVM takes no symbol back",
}
# Documented APIs whose headers were deleted from the copies at hand, by the form of their names.
VECLIB = f"{FRAMEWORKS}Accelerate.framework/Versions/A/Frameworks/vecLib.framework/Versions/A"
FORMS = {
    f"{FRAMEWORKS}OpenCL.framework/Versions/A/OpenCL": r"_cl[A-Z]\w+",
    f"{FRAMEWORKS}Accelerate.framework/Versions/A/Frameworks/vImage.framework/Versions/A/vImage": r"_vImage\w+",
    f"{VECLIB}/libBLAS.dylib": r"_(cblas|catlas)_\w+|_[sdczi]\w{2,7}_?",
    f"{VECLIB}/libLAPACK.dylib": r"_[a-z]\w{3,12}_?",
    f"{VECLIB}/libvDSP.dylib": r"_vDSP_\w+",
    f"{VECLIB}/libvMisc.dylib": r"_vv?[a-z]\w+",
}
NEWEST_WRAPPED = "26.5"
"""The SDK that PyObjC and objc2 wrap: a framework they list and do not call removed is in it."""


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


def main(tables: Path, out: Path, indexed: list[Path], headers: dict[str, Path]) -> None:  # noqa: C901, PLR0912, PLR0915  # the order of its steps is the rule
    """Write one document per (sdk, src) and one of facts from elsewhere."""
    out.mkdir(parents=True, exist_ok=True)
    news = newest_folder(tables)
    last = {f"{v}" for v in json.loads((news / "sdk_settings.json").read_text())["last_sdk_of_major"].values()}
    whole = [covered(json.loads(path.read_text()), path) for path in indexed]
    held = {(d["sdk"], item["install_name"]) for d in whole for item in d["libraries"]}
    documents: dict[tuple[str, str], dict[str, Any]] = {}
    libraries: dict[tuple[str, str, str], dict[str, Any]] = {}
    files: dict[str, dict[str, str]] = defaultdict(dict)
    known = set()
    misnamed: list[tuple[dict[str, Any], str]] = []
    for table in ("libs-10.9.jsonl.xz", "libs.jsonl.xz", "libs-macho-in-tbd-sdks.jsonl.xz"):
        for row in rows(tables / table):
            sdk, src, name = row["sdk"], row["src"], row["install_name"]
            if (sdk, name) in held or sdk.endswith(".x") or src == "zig-libSystem":
                continue  # the SDK itself tells more
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
            if (sdk, src, name) not in libraries:
                continue
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
    for document in whole:
        known |= {item["install_name"] for item in document["libraries"]}
    listed = list(listings(news))
    known |= {item["install_name"] for document in listed for item in document["libraries"]}
    for document in [*documents.values(), *whole, *listed]:
        document["last"] = document["sdk"] in last
    for (sdk, src), document in documents.items():
        (out / f"sdk-{sdk}-{src}.json").write_text(json.dumps(document))
    for number, document in enumerate([*whole, *listed]):
        (out / f"sdk-{document['sdk']}-{number:02}.json").write_text(json.dumps(document))
    (out / "os.json").write_text(json.dumps(os_facts(tables, known, legacy)))
    (out / "os-news.json").write_text(json.dumps(news_facts(news, tables, known)))
    declared = [row for sdk, root in sorted(headers.items()) for row in scanned(sdk, root, whole)]
    for (sdk, _), document in documents.items():
        for item in document["libraries"]:
            form = FORMS.get(item["install_name"], r"(?!)")
            names = [symbol for symbol in item["symbols"] or () if re.fullmatch(form, symbol)]
            declared += [[item["install_name"], symbol, "", "", sdk, ""] for symbol in names]
    (out / "os-headers.json").write_text(
        json.dumps({"schema": "machochain.os-facts/1", "declared_symbols": sorted(declared)})
    )


def newest_folder(tables: Path) -> Path:
    """Return the folder of the newest date."""
    return max(path for path in tables.iterdir() if path.is_dir() and path.name[:2] == "20")


def covered(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Say of an indexed SDK what it covers: what is missing from these copies is known, and who made them."""
    small = len(document["libraries"]) < 100
    coverage = PARTS if small else COVERAGE.get(document["sdk"], PARTS)
    return {**document, "missing": [], **coverage, "origin": document["origin"] or path.stem, "unreadable": []}


def listings(news: Path) -> Iterator[dict[str, Any]]:
    """Yield documents of SDKs of which some names are known and nothing else."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, what, version, source in rows(news / "libraries.jsonl"):
        if what in {"present", "in-sdk", "in-sdk-catalyst"}:
            found[version, source].append(name)
    for (sdk, source), names in sorted(found.items()):
        libraries = [{"install_name": name, "symbols": None, "directives": []} for name in sorted(set(names))]
        origin = f"{source}, names only"
        yield {"schema": "machochain.sdk-facts/1", "sdk": sdk, "low": sdk, "high": sdk, "origin": origin, **PARTS,
               "libraries": libraries, "aliases": {}}  # fmt: skip


def news_facts(news: Path, tables: Path, known: set[str]) -> dict[str, Any]:
    """Return the document of what headers, open source and Macs say."""
    wrapped = {name for name, _, _, sources, _ in rows(news / "symbol_dates.jsonl.xz") if "pyobjc" in sources}
    declared: list[list[str]] = []
    for name, symbol, _, sources, deprecated in rows(news / "symbol_dates.jsonl.xz"):
        dates = sorted({release(v) for v in sources.values()}, key=order)
        until = max((SPEAKS_FOR[s] for s in sources if s in SPEAKS_FOR), key=order, default="")
        code = name in DATED_BY_CODE or sources.keys() & {"libcxx", "apple-oss"}
        # What is deprecated and no longer in the headers of an SDK that are known may be gone.
        gone = deprecated is not None and name in wrapped and "pyobjc" not in sources
        marks = "".join(m for m, on in (("c", code), ("d", gone), ("l", "libcxx" in sources),
                                        ("o", "apple-oss" in sources)) if on)  # fmt: skip
        declared.append([name, symbol, dates[0], dates[-1], until, marks])
    for name, symbol, _, sources in rows(news / "symbol_declared.jsonl.xz"):
        until = max((SPEAKS_FOR[s] for s in sources if s in SPEAKS_FOR), key=order)
        declared.append([name, symbol, "", "", until, ""])
    for name, symbol, first, _ in rows(news / "oss_symbols.jsonl.xz"):
        old = first == "10.14"  # or older
        declared.append([name, symbol, *(("", "", first) if old else (release(first), release(first), "")), "co"])
    for name, symbol, _, _, minos, _ in rows(tables / "imports_observed.jsonl.xz"):
        # Swift imports weakly what is newer than the deployment target: what it imports strongly is as old as that.
        if symbol.startswith("_$s") and minos:
            declared.append([name, symbol, "", minos, "", ""])
    introduced = [
        [name, release(version), {"macios": "dotnet/macios"}.get(source, source), "15.2"]
        for name, what, version, source in rows(news / "libraries.jsonl") if what == "introduced"
    ]  # fmt: skip
    seen, missing, missing_symbols = [], [], []
    for name, symbol, version, state, where, *_ in rows(news / "os_observations.jsonl"):
        if symbol is None:
            (seen if state == "present" else missing).append([name, version, where.partition(" (")[0]])
        elif state == "missing":
            missing_symbols.append([name, symbol, version])
    releases: dict[str, list[str]] = defaultdict(list)
    for version, project, _ in rows(news / "oss_release.jsonl.xz"):
        releases[project].append(version)
    for pair in PROJECTS.split():
        project, _, library = pair.partition(":")
        path = f"/usr/lib/lib{library}.dylib"
        path = path if path in known else f"{FRAMEWORKS}{library}.framework/Versions/A/{library}"
        if path in known:
            seen.append([path, max(releases[project], key=order), "Apple's open source of that release"])
    return {
        "schema": "machochain.os-facts/1",
        "introduced": sorted(introduced),
        "seen": sorted(seen),
        "missing": sorted(missing),
        "stable": [[name, why] for name, why in STABLE.items()]
        + [[name, "Swift's ABI is stable"] for name in sorted(known) if SWIFT_ABI.fullmatch(name)],
        "patterns": [[name, form, version, "numpy/numpy#29228"]
                     for name, form, _, version, _ in rows(news / "patterns.jsonl")],
        "declared_symbols": sorted(declared),
        "missing_symbols": sorted(missing_symbols),
    }  # fmt: skip


def order(version: str) -> list[int]:
    """Return a key to sort versions by."""
    return [int(x) for x in version.split(".")]


def release(version: str) -> str:
    """Return a version without the point release by which the first of a major came out."""
    return {"10.15.0": "10.15", "11.0.1": "11.0", "12.0.1": "12.0"}.get(version, version)


_COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.DOTALL)
_WORD = re.compile(rb"[A-Za-z_]\w{2,}")
_CLASS = "_OBJC_CLASS_$_"


def scanned(sdk: str, root: Path, indexed: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Yield the symbols of an SDK's stubs that its headers name: they are API, whatever their date."""
    words: dict[str, set[bytes]] = {}

    def of(folder: str) -> set[bytes]:
        found = words.get(folder)
        if found is None:
            found = words[folder] = set()
            for file in (root / folder.lstrip("/")).rglob("*.h"):
                if file.is_file():
                    found.update(_WORD.findall(_COMMENT.sub(b" ", file.read_bytes())))
        return found

    for document in indexed:
        for item in document["libraries"] if document["sdk"] == sdk else ():
            name = item["install_name"]
            framework = re.match(rf"{FRAMEWORKS}[^/]+\.framework/", name)
            if framework is None and not name.startswith("/usr/lib/"):
                continue
            api = of(framework[0] if framework and "/LDAP.framework/" not in name else "/usr/include/")
            for symbol in item["symbols"] or ():
                plain = symbol[len(_CLASS) :] if symbol.startswith(_CLASS) else symbol[1:]
                plain = re.sub(r"\$(INODE64|UNIX2003|DARWIN_EXTSN)(\$\w+)?$", "", plain)
                if plain.encode() in api:
                    yield [name, symbol, "", "", sdk, ""]


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
                introduced.append([path, since, origin, *([] if until else [NEWEST_WRAPPED])])
            if until:
                removed.append([path, until, origin])
    for since, names in SWIFT.items():
        why = "Swift 5 ABI stability" if since == "10.14.4" else "Apple's availability of the Swift library"
        introduced += [[f"/usr/lib/swift/libswift{name}.dylib", since, why, NEWEST_WRAPPED] for name in names]
    for since, names in SWIFT_FRAMEWORKS.items():
        introduced += [
            [f"{FRAMEWORKS}{n}.framework/Versions/A/{n}", since, "Apple's documentation", NEWEST_WRAPPED] for n in names
        ]
    stamps: dict[str, list[str]] = defaultdict(list)
    symbols = []
    for name, symbol, low, high, _, _ in rows(tables / "imports_observed.jsonl.xz"):
        stamps[name] += [low, high]
        symbols.append([name, symbol, low, high])
    for stamp, name, *_ in rows(tables / "wheel_observed.jsonl"):
        stamps[name].append(stamp)
    return {
        "schema": "machochain.os-facts/1",
        "introduced": introduced,
        "removed": removed,
        "legacy": [[name, since, "linkers record it"] for name, since in legacy.items()] + STILL_THERE,
        "observed": [[name, min(v, key=order), max(v, key=order)] for name, v in stamps.items()],
        "observed_symbols": symbols,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("indexed", type=Path, nargs="*")
    parser.add_argument("--headers", action="append", default=[], metavar="VERSION=SDK")
    options = parser.parse_args()
    folders = {version: Path(folder) for version, _, folder in (text.partition("=") for text in options.headers)}
    main(options.tables, options.out, options.indexed, folders)
