"""What ``machochain sdk`` says: plain documents (dicts, lists, text, numbers), ready for JSON or a renderer.

``index_sdk`` gives the form ``machochain.world.system.build_catalogue`` reads; the others have schemas of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from machochain.macho.details import sub_commands
from machochain.model.errors import InputError
from machochain.model.filesystem import SystemLibraries
from machochain.model.image import FileType
from machochain.model.ospaths import FRAMEWORKS, SWIFT_LIBRARIES, is_private_framework
from machochain.model.platform import Platform
from machochain.model.stub import Stub, TargetList
from machochain.model.version import Version
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.facts import LibraryFacts
from machochain.world.system.oslibs import SdkLibraries
from machochain.world.system.sdk import SMALL, Sdk, SdkQuality
from machochain.world.system.shared_cache import SharedCache


def _joined(lists: Iterable[TargetList]) -> list[str]:
    return list(dict.fromkeys(name for item in lists for name in item.names))


def _symbols(stub: Stub) -> list[str]:
    names = {
        export.name
        for section in stub.sections
        if any(target.endswith("-macos") for target in section.targets)
        for export in section.exports
    }
    return sorted(names)


def _only_on(stub: Stub) -> dict[str, list[str]]:
    """Return the symbols that a stub for several families of processors exports for one of them alone."""
    found: dict[str, set[str]] = {}
    for family in ("x86_64", "arm64", "i386"):
        if any(t.startswith(family) and t.endswith("-macos") for t in stub.targets):
            found[family] = {
                export.name
                for section in stub.sections
                if any(t.startswith(family) and t.endswith("-macos") for t in section.targets)
                for export in section.exports
            }
    current = [names for family, names in found.items() if family != "i386"]
    alone = {"i386": found.get("i386", set()).difference(*current)} if current else {}
    if len(current) > 1:
        alone |= {"x86_64": found["x86_64"] - found["arm64"], "arm64": found["arm64"] - found["x86_64"]}
    return {family: sorted(names) for family, names in alone.items() if names}


def index_sdk(sdk: Sdk, catalogue: EmbeddedCatalogue, *, origin: str = "") -> dict[str, Any]:
    """Return the facts of an SDK: libraries, versions, targets, re-exports, symbols, links.

    Args:
        sdk: The SDK; it must have a version.
        catalogue: Tells whether the SDK looks whole: only then its gaps count as absence.
        origin: Where it came from, kept in the catalogue as provenance.

    Raises:
        InputError: The SDK has no version.
    """
    if sdk.version is None:
        raise InputError("nothing tells which macOS this SDK is for", path=sdk.root)
    quality = sdk.quality(catalogue)
    libraries, unreadable = [], [list(item) for item in quality.unreadable]
    for name in sdk.libraries():
        try:
            stub = sdk.read_stub(name)
        except InputError as error:
            unreadable.append([sdk.index.libraries[name].file, str(error)])
        else:
            libraries.append(
                {
                    "install_name": name,
                    "current": str(stub.current),
                    "compat": str(stub.compat),
                    "targets": [t for t in stub.targets if t.endswith("-macos")],
                    "umbrella": _joined(stub.umbrella),
                    "clients": _joined(stub.clients),
                    "reexports": _joined(stub.reexports),
                    "flags": list(stub.flags),
                    "symbols": _symbols(stub),
                    "only_on": _only_on(stub),
                    "directives": sorted({d.text for s in stub.sections for d in s.directives}),
                }
            )
    return {
        "schema": "machochain.sdk-facts/1",
        "sdk": str(sdk.version),
        "low": str(sdk.version),
        "high": str(sdk.version),
        "origin": origin,
        # A few libraries are a sysroot somebody made: nothing follows from what it leaves out.
        "complete": [] if quality.poor or quality.libraries < SMALL else ["/usr/lib/", FRAMEWORKS],
        "missing": [SWIFT_LIBRARIES] if quality.no_swift else [],
        "links": bool(sdk.index.links),
        "libraries": libraries,
        "aliases": sdk.aliases(),
        "unreadable": unreadable,
    }


def index_cache(cache: SharedCache, *, version: Version | None = None, origin: str = "") -> dict[str, Any]:
    """Return the facts of a shared cache: libraries, versions, re-exports, exports, paths.

    What is in no cache may still lie on disk: a cache proves no absence of a library, but all its symbols.

    Args:
        cache: The cache.
        version: Which macOS it is of, where the cache does not say or says less.
        origin: Where it came from; its own name by default.

    Raises:
        InputError: It is damaged, or nothing tells which macOS it is of.
    """
    version = version or cache.version
    if version is None:
        raise InputError("nothing tells which macOS this shared cache is of: give --macos", path=cache.path)
    libraries: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for path in cache.images:
        if path in cache.aliases:
            continue
        image = cache.image(path)
        if image.file_type != FileType.MH_DYLIB:
            continue
        name = names[path] = image.install_name or path
        of_macos = not image.builds or any(b.platform == Platform.MACOS for b in image.builds)
        libraries.append(
            {
                "install_name": name,
                "current": str(image.id_current_version or Version.of(0)),
                "compat": str(image.id_compatibility_version or Version.of(0)),
                "targets": [f"{image.arch.name}-{'macos' if of_macos else 'maccatalyst'}"],
                "umbrella": [text for kind, text in sub_commands(image) if kind == "LC_SUB_FRAMEWORK"],
                "clients": [text for kind, text in sub_commands(image) if kind == "LC_SUB_CLIENT"],
                "reexports": [load.name for load in image.loads if load.reexport],
                "flags": [],
                "symbols": sorted(cache.exports(path, image)),
                "directives": [],
            }
        )
    links = {path: names[path] for path in names if names[path] != path}
    links |= {alias: names[path] for alias, path in cache.aliases.items() if path in names}
    return {
        "schema": "machochain.sdk-facts/1",
        "sdk": str(version),
        "low": str(version),
        "high": str(version),
        "origin": origin or f"shared cache, {cache.arch}",
        "complete": [],
        "missing": [],
        "links": bool(links),
        "libraries": libraries,
        "aliases": dict(sorted(links.items())),
        "unreadable": [],
    }


def _facts(facts: LibraryFacts) -> dict[str, Any]:
    return {
        "sdks": list(facts.sdks),
        "introduced": [[str(version), who] for version, who, _ in facts.introduced],
        "removed": [[str(version), who] for version, who in facts.removed],
        "also_loads_since": [[str(version), who] for version, who in facts.legacy],
        "observed": [str(v) for v in facts.observed] if facts.observed else None,
        "seen": [[str(version), who] for version, who in facts.seen],
        "missing": [[str(version), who] for version, who in facts.missing],
        "details": dict(facts.details),
    }


def _lists(lists: Iterable[TargetList]) -> list[dict[str, Any]]:
    return [{"targets": list(item.targets), "names": list(item.names)} for item in lists]


def _stub(sdk: Sdk, stub: Stub, path: str) -> dict[str, Any]:
    # What a stub calls itself may be a slip; where it lies is known under the name it was asked by.
    name = sdk.canonical(path) or path
    return {
        "sdk": str(sdk.version) if sdk.version is not None else None,
        "root": sdk.root,
        "file": sdk.index.libraries[name].file,
        "tbd_version": stub.version,
        "install_name": stub.install_name,
        "current_version": stub.current.full,
        "compatibility_version": stub.compat.full,
        "targets": list(stub.targets),
        "umbrella": _lists(stub.umbrella),
        "clients": _lists(stub.clients),
        "reexports": _lists(stub.reexports),
        "flags": list(stub.flags),
        "swift_abi": stub.swift_abi,
        "symbols": len(_symbols(stub)),
        "directives": sorted({d.text for s in stub.sections for d in s.directives}),
    }


def show(path: str, releases: Sequence[Version], sdks: Sequence[Sdk], catalogue: EmbeddedCatalogue) -> dict[str, Any]:
    """Return everything known of one library.

    Args:
        path: Its install name or a link to it.
        releases: For which to say whether it is there.
        sdks: SDK folders besides the catalogue.
        catalogue: The embedded facts.

    Raises:
        InputError: A stub can no longer be read.
    """
    libraries: SystemLibraries = SdkLibraries(sdks, catalogue) if sdks else catalogue
    stubs = [(sdk, stub) for sdk in sdks if (stub := sdk.stub(path)) is not None]
    facts = catalogue.library(path)
    canonical = facts.path if facts is not None else next((s.canonical(path) for s, _ in stubs), None)
    answers = []
    for macos in releases:
        answer = libraries.find(path, macos)
        answers.append({"macos": str(macos), "presence": answer.presence.value, "why": answer.why})
    return {
        "schema": "machochain.sdk-show/1",
        "path": path,
        "canonical": canonical,
        "releases": answers,
        "catalogue": _facts(facts) if facts is not None else None,
        "stubs": [_stub(sdk, stub, path) for sdk, stub in stubs],
    }


def symbols(path: str, sdks: Sequence[Sdk], catalogue: EmbeddedCatalogue, *, arch: str | None = None) -> dict[str, Any]:
    """Return the symbols of one library itself: from the first SDK that has it, else from the catalogue.

    Args:
        path: Its install name or a link to it.
        sdks: SDK folders besides the catalogue.
        catalogue: The embedded facts.
        arch: Of an SDK's stub only what this architecture gets; the catalogue does not tell them apart.

    Raises:
        InputError: A stub can no longer be read.
    """
    document: dict[str, Any] = {"schema": "machochain.sdk-symbols/1", "path": path, "arch": arch, "source": None}
    for sdk in sdks:
        stub = sdk.stub(path)
        if stub is None:
            continue
        archs = [arch] if arch is not None else dict.fromkeys(t.partition("-")[0] for t in stub.targets)
        found: dict[str, dict[str, Any]] = {}
        for each in archs:
            for export in stub.exports(each):
                item = found.setdefault(
                    export.name,
                    {"name": export.name, "kind": export.kind.value, "reexported": export.reexported, "archs": []},
                )
                item["archs"].append(each)
        return document | {"source": sdk.name, "symbols": [found[name] for name in sorted(found)]}
    facts = catalogue.symbols(path)
    if facts:
        document["source"] = "catalogue"
    return document | {
        "symbols": [
            {
                "name": item.name,
                "sdks": list(item.sdks),
                "not_in_sdks": list(item.lacking),
                "hidden_until": str(item.hidden) if item.hidden is not None else None,
                "observed": [str(v) for v in item.observed] if item.observed else None,
                "archs": list(item.archs),
                "introduced": str(item.introduced) if item.introduced is not None else None,
                "declared_in": str(item.declared) if item.declared is not None else None,
                "missing_on": str(item.missing) if item.missing is not None else None,
            }
            for item in facts
        ]
    }


def catalogue_summary(catalogue: EmbeddedCatalogue) -> dict[str, Any]:
    """Return what the embedded facts cover: per SDK how many libraries, and where it is complete."""
    counts = dict.fromkeys((s.id for s in catalogue.sources), 0)
    private = dict.fromkeys(counts, 0)
    names = catalogue.libraries()
    for name in names:
        for sdk in catalogue.sdks_of(name):
            counts[sdk.id] += 1
            private[sdk.id] += is_private_framework(name)
    return {
        "schema": "machochain.sdk-catalogue/1",
        "libraries": len(names),
        "sdks": [
            {
                "sdk": source.id,
                "versions": [str(source.low), str(source.high)],
                "libraries": counts[source.id],
                "private": private[source.id],
                "complete_below": list(source.complete),
                "nothing_known_below": list(source.missing),
                "links": source.links,
                "origin": list(source.origin),
            }
            for source in catalogue.sources
        ],
    }


def quality(found: SdkQuality) -> dict[str, Any]:
    """Return how whole an SDK is."""
    return {
        "libraries": found.libraries,
        "files": found.files,
        "text_links": found.text_links,
        "duplicates": found.duplicates,
        "dangling": list(found.dangling),
        "unreadable": [list(item) for item in found.unreadable],
        "stripped": list(found.stripped),
        "missing": list(found.missing),
        "poor": found.poor,
        "notes": list(found.sentences()),
    }


class _Known(NamedTuple):
    """What is compared of one library."""

    versions: list[str]
    targets: set[str]
    reexports: set[str]
    symbols: set[str]


class _Side(NamedTuple):
    """One side of a comparison: an SDK folder, or facts somebody wrote down."""

    root: str
    version: str | None
    names: set[str]
    library: Callable[[str], _Known]


def _side_of_sdk(sdk: Sdk) -> _Side:
    def library(name: str) -> _Known:
        stub = sdk.read_stub(name)
        versions = [stub.current.full, stub.compat.full]
        return _Known(versions, set(stub.targets), set(_joined(stub.reexports)), set(_symbols(stub)))

    version = str(sdk.version) if sdk.version is not None else None
    return _Side(sdk.root, version, set(sdk.libraries()), library)


def _side_of_facts(root: str, document: dict[str, Any]) -> _Side:
    items = {item["install_name"]: item for item in document.get("libraries", ())}

    def library(name: str) -> _Known:
        item = items[name]
        versions = [Version.parse(item.get(key) or "1").full for key in ("current", "compat")]
        return _Known(versions, *(set(item.get(key) or ()) for key in ("targets", "reexports", "symbols")))

    return _Side(root, document.get("sdk"), set(items), library)


def diff(old: Sdk | tuple[str, dict[str, Any]], new: Sdk | tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what changed from one SDK to another: libraries, their versions, their targets, their symbols.

    Args:
        old: An SDK folder, or a name and a document of facts.
        new: Likewise.

    Raises:
        InputError: A stub can no longer be read.
    """
    one, two = (_side_of_sdk(side) if isinstance(side, Sdk) else _side_of_facts(*side) for side in (old, new))
    # Facts name targets of macOS alone: against them those of a folder are told without the others.
    macos_only = not (isinstance(old, Sdk) and isinstance(new, Sdk))
    changed = []
    for name in sorted(one.names & two.names):
        was, now = one.library(name), two.library(name)
        item: dict[str, Any] = {"install_name": name}
        if was.versions != now.versions:
            item["versions"] = [was.versions, now.versions]
        targets = [_told(known.targets, macos_only=macos_only) for known in (was, now)]
        for key, left, right in (
            ("targets", targets[0], targets[1]),
            ("reexports", was.reexports, now.reexports),
            ("symbols", was.symbols, now.symbols),
        ):
            if left != right:
                item[key] = {"added": sorted(right - left), "removed": sorted(left - right)}
        if len(item) > 1:
            changed.append(item)
    return {
        "schema": "machochain.sdk-diff/1",
        "old": {"root": one.root, "sdk": one.version},
        "new": {"root": two.root, "sdk": two.version},
        "added": sorted(two.names - one.names),
        "removed": sorted(one.names - two.names),
        "changed": changed,
    }


def _told(targets: set[str], *, macos_only: bool) -> set[str]:
    return {t for t in targets if t.endswith("-macos")} if macos_only else targets
