"""Audits as a CycloneDX 1.6 bill of materials: a component for each image, and the edges dyld really follows.

LC_ID_DYLIB names the library itself and is no dependency. A library that is missing is no component; whoever asks for
it says so in a property, and the composition of its dependencies counts as incomplete. What packages say of themselves
(version, licence, who made them) is declared, not checked; digests are those of the files that were looked at. The same
report gives the same bytes: the serial number is made from the content, and there is no time unless one is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from machochain._version import __version__
from machochain.model.audit import AuditReport
from machochain.model.go import GoBuildInfo, GoModule
from machochain.model.materials import FileDigest, PackageFacts, PackageKind
from machochain.model.paths import leaf, printable
from machochain.model.result import Origin, Outcome
from machochain.report.audit_words import releases, verdict
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_words, passed_over_line
from machochain.report.merged import Merged, MergedImage, MergedLoad, merge
from machochain.report.packages import (
    Bill,
    bills,
    homepage_of,
    licence_of,
    main_module,
    module_purl,
    modules_of,
    package_purl,
    purl,
    short_name,
)

_NAMESPACE: Final = UUID("5f0f3c1e-6f0c-5a0e-9d0b-6d6163686f63")
"""Of the serial numbers; any fixed value serves."""
_KINDS: Final = {"framework": "framework", "xcframework": "framework", "app": "application"}


def render_cyclonedx(report: AuditReport, *, epoch: int | None = None) -> str:
    """Return the JSON document; ``epoch`` is its time in seconds since 1970 (SOURCE_DATE_EPOCH)."""
    return json.dumps(bill(report, epoch=epoch), indent=2) + "\n"


def bill(report: AuditReport, *, epoch: int | None = None) -> dict[str, Any]:
    """Return the document as plain values."""
    merged = merge(report)
    known = bills(report)
    inputs = [_input(index, each) for index, each in enumerate(known)]
    packages = [
        _package(index, number, facts) for index, each in enumerate(known) for number, facts in enumerate(each.packages)
    ]
    metadata: dict[str, Any] = {
        "tools": {"components": [{"type": "application", "name": "machochain", "version": report.tool or __version__}]},
    }
    coverage = report.coverage
    metadata["properties"] = _properties(
        [
            ("verdict", verdict(report)),
            ("examined", coverage_words(coverage)),
            *(("not-looked-into", passed_over_line(each)) for each in coverage.passed_over),
            *(("unexamined", printable(path)) for path in report.unexamined),
        ]
    )
    if epoch is not None:
        metadata = {"timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), **metadata}
    if len(inputs) == 1:
        metadata["component"] = inputs[0]
        inputs = []
    content = {
        "metadata": metadata,
        "components": [*inputs, *packages, *(_component(image, merged, known) for image in merged.images)],
        "dependencies": _dependencies(report, merged, known),
        "compositions": _compositions(merged),
    }
    serial = uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **{key: value for key, value in content.items() if value},
    }


def _input_ref(index: int) -> str:
    return f"input-{index}"


def _ref(key: int) -> str:
    return f"image-{key}"


def _properties(pairs: Iterable[tuple[str, str | None]]) -> list[dict[str, str]]:
    return [{"name": f"machochain:{name}", "value": printable(value)} for name, value in pairs if value]


def _package_ref(index: int, number: int) -> str:
    return f"package-{index}-{number}"


def _input(index: int, bill: Bill) -> dict[str, Any]:
    each = bill.given
    found: dict[str, Any] = {
        "type": _KINDS.get(each.kind, "library" if each.kind in {"wheel", "npm", "conda"} else "file"),
        "bom-ref": _input_ref(index),
        "name": printable(each.name or each.path),
    }
    version = each.version or (bill.own.version if bill.own is not None else None)
    if version:
        found["version"] = printable(version)
    url = purl(each.kind, each.name, each.version)
    if url is not None:
        found["purl"] = url
    found |= _declared(bill.own) | _hashes(bill.whole)
    found["properties"] = _properties(
        [
            ("input", each.path),
            ("kind", each.kind),
            ("place", each.place),
            *(("platform", platform) for platform in each.platforms),
            ("bundle-id", bill.own.identifier if bill.own is not None else None),
            ("told-by", bill.own.source if bill.own is not None else None),
        ]
    )
    return found


def _package(index: int, number: int, facts: PackageFacts) -> dict[str, Any]:
    """Return a package inside an input: another wheel in a folder, a framework in an app."""
    kind = "library"
    if facts.kind is PackageKind.BUNDLE:
        kind = "framework" if ".framework" in facts.source else "application"
    found: dict[str, Any] = {
        "type": kind, "bom-ref": _package_ref(index, number), "name": printable(short_name(facts)),
    }  # fmt: skip
    if facts.version:
        found["version"] = printable(facts.version)
    url = package_purl(facts)
    if url is not None:
        found["purl"] = url
    found |= _declared(facts)
    found["properties"] = _properties([("told-by", facts.source), ("bundle-id", facts.identifier)])
    return found


def _declared(facts: PackageFacts | None) -> dict[str, Any]:
    """Return what a package says of itself."""
    found: dict[str, Any] = {}
    if facts is None:
        return found
    licence = licence_of(facts)
    if licence.expression is not None:
        found["licenses"] = [{"expression": licence.expression, "acknowledgement": "declared"}]
    elif licence.names:
        found["licenses"] = [
            {"license": {"name": printable(name), "acknowledgement": "declared"}} for name in licence.names
        ]
    if facts.supplier:
        found["supplier"] = {"name": printable(facts.supplier)}
    if facts.copyright:
        found["copyright"] = printable(facts.copyright)
    url = homepage_of(facts)
    if url is not None:
        found["externalReferences"] = [{"type": "website", "url": url}]
    return found


def _hashes(file: FileDigest | None) -> dict[str, Any]:
    return {} if file is None else {"hashes": [{"alg": "SHA-256", "content": file.sha256}]}


def _module(ref: str, module: GoModule, instead_of: GoModule | None) -> dict[str, Any]:
    """Return a Go module that is part of a program."""
    found: dict[str, Any] = {"type": "library", "bom-ref": ref, "name": printable(module.path)}
    if module.version and module.version != "(devel)":
        found["version"] = printable(module.version)
    found["purl"] = module_purl(module)
    pairs = [("go-sum", module.sum), ("go-replaces", None if instead_of is None else _named(instead_of))]
    more = _properties(pairs)
    return found | ({"properties": more} if more else {})


def _named(module: GoModule) -> str:
    return f"{module.path} {module.version}".strip()


def _modules(ref: str, info: GoBuildInfo) -> dict[str, Any]:
    """Return the modules inside a Go program, as parts of it."""
    parts = [_module(f"{ref}-go-{n}", module, old) for n, (module, old) in enumerate(modules_of(info))]
    return {"components": parts} if parts else {}


def _component(image: MergedImage, merged: Merged, known: Sequence[Bill]) -> dict[str, Any]:
    bill = known[image.input] if known else None
    info = bill.go.get(image.path) if bill is not None else None
    owner = bill.owners.get(image.path) if bill is not None else None
    versions = {str(b.current_version) for b in image.builds if b.current_version is not None}
    found: dict[str, Any] = {
        "type": "application" if image.file_type == "MH_EXECUTE" else "library",
        "bom-ref": _ref(image.key),
        "name": printable(leaf(image.path)),
    }
    if image.origin is Origin.OS:
        found["publisher"] = "Apple Inc."
    if len(versions) == 1:
        found["version"] = versions.pop()
    if bill is not None:
        found |= _hashes(bill.digests.get(image.path))
    main = main_module(info) if info is not None else None
    if main is not None:
        found["purl"] = module_purl(main)
        if main.version.startswith("v"):
            found["version"] = printable(main.version)
    if info is not None:
        found |= _modules(_ref(image.key), info)
    pairs: list[tuple[str, str | None]] = [
        ("path", image.path),
        ("install-name", image.install_name),
        ("origin", image.origin.value),
        ("file-type", image.file_type),
        ("package", _package_ref(image.input, owner) if owner is not None else None),
        ("go", info.version if info is not None else None),
        ("go-main", _named(main) if main is not None else None),
    ]
    for build in image.builds:
        pairs += [
            ("arch", build.arch),
            (f"uuid:{build.arch}", build.uuid),
            (f"platform:{build.arch}", build.platform),
            (f"minos:{build.arch}", str(build.minos) if build.minos is not None else None),
            (f"sdk:{build.arch}", str(build.sdk) if build.sdk is not None else None),
        ]
    pairs += [("rpath", path) for path in image.run_paths]
    pairs += [_absence(load) for load in merged.loads if load.source == image.key and load.to is None]
    found["properties"] = _properties(pairs)
    return found


def _absence(load: MergedLoad) -> tuple[str, str]:
    return load.outcome.value, f"{load.name} (macOS {releases(load.macos)})"


def _dependencies(report: AuditReport, merged: Merged, known: Sequence[Bill]) -> list[dict[str, Any]]:
    wanted: dict[str, dict[str, None]] = {_input_ref(i): {} for i in range(len(report.inputs))}
    for index, bill in enumerate(known):
        for number in range(len(bill.packages)):
            wanted[_input_ref(index)][_package_ref(index, number)] = None
            wanted[_package_ref(index, number)] = {}
    for image in merged.images:
        if image.root and report.inputs:
            wanted[_input_ref(image.input)][_ref(image.key)] = None
    for image in merged.images:
        wanted[_ref(image.key)] = {}
        owner = known[image.input].owners.get(image.path) if known else None
        if owner is not None:
            wanted[_package_ref(image.input, owner)][_ref(image.key)] = None
    for load in merged.loads:
        if load.to is not None:
            wanted[_ref(load.source)][_ref(load.to)] = None
    return [{"ref": ref, **({"dependsOn": list(on)} if on else {})} for ref, on in wanted.items()]


def _compositions(merged: Merged) -> list[dict[str, Any]]:
    """Say of which images all dependencies are known, of which some are missing, and of which none was looked at."""
    lacking = {load.source for load in merged.loads if load.outcome in {Outcome.MISSING, Outcome.UNKNOWN}}
    groups: dict[str, list[str]] = {"complete": [], "incomplete": [], "unknown": []}
    for image in merged.images:
        kind = "unknown" if image.file_type is None else "incomplete" if image.key in lacking else "complete"
        groups[kind].append(_ref(image.key))
    return [{"aggregate": kind, "dependencies": refs} for kind, refs in groups.items() if refs]


def write(report: AuditReport, context: RenderContext) -> str:
    """Return the bill as text."""
    return render_cyclonedx(report, epoch=context.epoch)
