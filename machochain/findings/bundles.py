"""MC234, MC235 and MC511 to MC513: what bundles and wheels promise, held against the files inside."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from xml.parsers.expat import ExpatError

from attrs import frozen

from machochain.findings.catalogue import RULES
from machochain.findings.evident import of_binary
from machochain.graph.mac import Mac
from machochain.model.audit import AuditBinary
from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.image import FileType
from machochain.model.paths import directory, leaf, printable
from machochain.model.platform import Platform
from machochain.model.result import Confidence, Finding, Severity
from machochain.model.version import Version
from machochain.world.archives.packages.wheel import parse_tags

PLIST_LIMIT: Final = 1 << 20
"""Bytes of an Info.plist that is looked at; real ones have a few thousand."""

_FIRST_ARM64: Final = Version.of(11)
_SUFFIXES: Final = (".app", ".framework", ".bundle", ".plugin", ".xpc", ".appex")
_PROGRAMS: Final = (".app", ".xpc", ".appex")
_TAG: Final = re.compile(r"macosx_(\d{1,3})_(\d{1,3})_(\w+)")
_TAG_ARCHS: Final[Mapping[str, tuple[str, ...]]] = {
    "arm64": ("arm64",),
    "x86_64": ("x86_64",),
    "intel": ("x86_64",),
    "universal2": ("arm64", "x86_64"),
}
"""Architectures of a platform tag that Macs of today run (packaging.tags, mac_platforms)."""
_COMPATIBLE: Final[Mapping[str, tuple[str, ...]]] = {"arm64": ("arm64", "arm64e"), "x86_64": ("x86_64", "x86_64h")}


@frozen
class Bundle:
    """One bundle on the modelled Mac.

    Attributes:
        place: Its directory.
        plist: Where its Info.plist is.
        info: What that says.
        executables: Where CFBundleExecutable may lie; empty if it names none.
    """

    place: str
    plist: str
    info: Mapping[str, Any]
    executables: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """``.app`` and the like."""
        return "." + self.place.rpartition(".")[2]


def parse_plist(data: bytes) -> Mapping[str, Any] | None:
    """Return the dictionary a property list holds, in any of Apple's formats; None if there is none to read."""
    try:
        found = plistlib.loads(data)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError, ExpatError):
        return None
    return found if isinstance(found, dict) else None


def find_bundles(mac: Mac, binaries: Iterable[AuditBinary], tops: Iterable[str]) -> tuple[Bundle, ...]:
    """Return the bundles that hold some binaries, and those that are among some directories, sorted by place."""
    wanted = {top for top in tops if top.endswith(_SUFFIXES)}
    seen: set[str] = set()
    for binary in binaries:
        above = directory(binary.place)
        while above and above not in seen:
            seen.add(above)
            if above.endswith(_SUFFIXES):
                wanted.add(above)
            above = directory(above)
    return tuple(bundle for place in sorted(wanted) for bundle in _bundle(mac, place))


def _bundle(mac: Mac, place: str) -> Iterator[Bundle]:
    if place.endswith(".framework"):
        layouts = [("Resources", ""), ("Versions/Current/Resources", "Versions/Current/"), ("Versions/A/Resources", "")]
    else:
        layouts = [("Contents", "Contents/MacOS/"), (".", "")]
    for resources, programs in layouts:
        plist = f"{place}/{resources}/Info.plist".replace("/./", "/")
        info = _read_plist(mac, plist)
        if info is None:
            continue
        name = info.get("CFBundleExecutable")
        plain = isinstance(name, str) and name and "/" not in name and "\0" not in name
        yield Bundle(place, plist, info, (f"{place}/{programs}{name}", f"{place}/{name}") if plain else ())
        return


def _read_plist(mac: Mac, path: str) -> Mapping[str, Any] | None:
    node = mac.look(path)
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE or node.size > PLIST_LIMIT:
        return None
    try:
        return parse_plist(mac.files.read_bytes(node, 0, node.size))
    except InputError:
        return None


def bundle_findings(mac: Mac, bundles: Sequence[Bundle], binaries: Sequence[AuditBinary]) -> Iterator[Finding]:
    """Return what is wrong with bundles.

    Args:
        mac: The modelled Mac.
        bundles: From `find_bundles`.
        binaries: The slices of the input.
    """
    programs = [bundle.place for bundle in bundles if bundle.suffix in _PROGRAMS]
    for bundle in bundles:
        yield from _missing_executable(mac, bundle, binaries)
        if bundle.suffix in _PROGRAMS:
            # What lies in a program inside the program is that one's.
            inner = [place + "/" for place in programs if place.startswith(bundle.place + "/")]
            own = [
                b for b in binaries if b.place.startswith(bundle.place + "/") and not b.place.startswith(tuple(inner))
            ]
            yield from _minimum(bundle, own)
            yield from _architectures(bundle, own)


def _missing_executable(mac: Mac, bundle: Bundle, binaries: Sequence[AuditBinary]) -> Iterator[Finding]:
    nodes = [mac.look(path) for path in bundle.executables]
    if not nodes or any(n.presence is Presence.UNSEEN or n.kind is NodeKind.FILE for n in nodes):
        return
    name = str(bundle.info["CFBundleExecutable"])
    # Wheels and zips often lose the links of a framework: its library is then found where it really lies, and loads
    # name that path.
    versions = f"{bundle.place}/Versions/"
    if any(b.place.startswith(versions) and leaf(b.place) == name for b in binaries):
        return
    program = bundle.suffix in _PROGRAMS
    inside = next((b for b in binaries if b.place.startswith(bundle.place + "/")), None)
    origin = inside.origin if inside is not None else binaries[0].origin if binaries else bundle.place
    rule = RULES["MC513"]
    yield Finding(
        rule.id, rule.name, Severity.ERROR if program else Severity.WARNING, Confidence.CERTAIN, origin,
        inside.arch if inside is not None else "", bundle.plist, None, name,
        f"{printable(leaf(bundle.place))} says its executable is {printable(name)}, which is not in it",
        {"plist": bundle.plist, "looked": list(bundle.executables)},
        (f"correct CFBundleExecutable in {printable(bundle.plist)}, or put the file there",), rule.page,
    )  # fmt: skip


def _minimum(bundle: Bundle, binaries: Iterable[AuditBinary]) -> Iterator[Finding]:
    for binary in binaries:
        promised = _promised(bundle.info, binary.arch)
        build = binary.image.build
        if promised is None or build is None or build.platform != Platform.MACOS:
            continue
        key, version = promised
        if build.minos > version:
            yield of_binary(
                "MC234", Severity.WARNING, binary, f"{key} {version}",
                f"{printable(leaf(binary.place))} ({binary.arch}) needs macOS {build.minos}, but "
                f"{printable(leaf(bundle.place))} says it runs on {version}",
                (
                    f"set {key} to {build.minos} in {printable(bundle.plist)}",
                    f"or build {printable(leaf(binary.place))} with MACOSX_DEPLOYMENT_TARGET={version}",
                ),
                minos=str(build.minos), promised=str(version), key=key, plist=bundle.plist,
            )  # fmt: skip


def _promised(info: Mapping[str, Any], arch: str) -> tuple[str, Version] | None:
    """Return which key says which release is the oldest; arm64 Macs begin with macOS 11 whatever it says."""
    by_arch = info.get("LSMinimumSystemVersionByArchitecture")
    key, text = "LSMinimumSystemVersion", info.get("LSMinimumSystemVersion")
    if isinstance(by_arch, dict) and isinstance(by_arch.get(arch), str):
        key, text = "LSMinimumSystemVersionByArchitecture", by_arch[arch]
    if not isinstance(text, str):
        return None
    try:
        version = Version.parse(text)
    except UsageError:
        return None
    return key, max(version, _FIRST_ARM64) if arch.startswith("arm64") else version


def _architectures(bundle: Bundle, binaries: Sequence[AuditBinary]) -> Iterator[Finding]:
    """MC512: libraries and plug-ins that lack a slice the bundle's program has."""
    program = next((b for b in binaries if b.place in bundle.executables), None)
    if program is None:
        return
    for binary in binaries:
        if binary.image.file_type == FileType.MH_EXECUTE:
            continue
        for arch in program.slices:
            if arch in _COMPATIBLE and not _serves(binary.slices, arch):
                yield of_binary(
                    "MC512", Severity.WARNING, binary, arch,
                    f"{printable(leaf(binary.place))} has no {arch} slice, {printable(leaf(program.place))} has one",
                    (f"build {printable(leaf(binary.place))} for {arch}, too",),
                    slices=list(binary.slices), program=list(program.slices),
                )  # fmt: skip


def _serves(slices: Iterable[str], arch: str) -> bool:
    return any(name in slices for name in _COMPATIBLE[arch])


# ---------------------------------------------------------------------------------------------------------------------
# Wheels


def wheel_tags(texts: Iterable[str]) -> dict[str, Version]:
    """Return the oldest macOS that tags (``cp312-cp312-macosx_11_0_arm64``, or a wheel's file name) name, by arch.

    arm64 Macs begin with macOS 11, whatever a universal2 tag says.
    """
    found: dict[str, Version] = {}
    for text in texts:
        for tag in parse_tags(text):
            match = _TAG.fullmatch(tag.platform)
            if match is None or int(match[2]) > 0xFF:
                continue
            version = Version.of(int(match[1]), int(match[2]))
            for arch in _TAG_ARCHS.get(match[3], ()):
                oldest = max(version, _FIRST_ARM64) if arch == "arm64" else version
                found[arch] = min(oldest, found.get(arch, oldest))
    return found


def wheel_findings(tags: Mapping[str, Version], binaries: Iterable[AuditBinary]) -> Iterator[Finding]:
    """Return where a wheel's platform tags (from `wheel_tags`) promise more than its files keep.

    Programs in a wheel may be for one architecture only; what Python imports may not.
    """
    for binary in binaries:
        build = binary.image.build
        promised = tags.get(
            "arm64" if binary.arch == "arm64e" else "x86_64" if binary.arch == "x86_64h" else binary.arch
        )
        name = printable(leaf(binary.place))
        if promised is not None and build is not None and build.platform == Platform.MACOS and build.minos > promised:
            yield of_binary(
                "MC235", Severity.WARNING, binary, f"tag macOS {promised}",
                f"{name} ({binary.arch}) needs macOS {build.minos}, but the wheel's tag says {promised}",
                (
                    f"build it with MACOSX_DEPLOYMENT_TARGET={promised}",
                    f"or tag the wheel for macosx_{build.minos.major}_{build.minos.minor}",
                ),
                minos=str(build.minos), promised=str(promised),
            )  # fmt: skip
        if binary.image.file_type == FileType.MH_EXECUTE:
            continue
        module = binary.image.file_type == FileType.MH_BUNDLE
        for arch in tags:
            if not _serves(binary.slices, arch):
                yield of_binary(
                    "MC511", Severity.WARNING if module else Severity.INFO, binary, arch,
                    f"{name} has no {arch} slice, but the wheel's tag names {arch}",
                    (f"build {name} for {arch}, too, or tag the wheel for what it has",), slices=list(binary.slices),
                )  # fmt: skip
