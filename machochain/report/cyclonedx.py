"""Audits as a CycloneDX 1.6 bill of materials: a component for each image, and the edges dyld really follows.

LC_ID_DYLIB names the library itself and is no dependency. A library that is missing is no component; whoever asks for
it says so in a property, and the composition of its dependencies counts as incomplete. The same report gives the same
bytes: the serial number is made from the content, and there is no time unless one is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

from machochain._version import __version__
from machochain.model.audit import AuditInput, AuditReport
from machochain.model.paths import leaf, printable
from machochain.model.result import Origin, Outcome
from machochain.report.audit_words import releases, verdict
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_words, passed_over_line
from machochain.report.merged import Merged, MergedImage, MergedLoad, merge

_NAMESPACE: Final = UUID("5f0f3c1e-6f0c-5a0e-9d0b-6d6163686f63")
"""Of the serial numbers; any fixed value serves."""
_KINDS: Final = {"framework": "framework", "xcframework": "framework", "app": "application"}


def render_cyclonedx(report: AuditReport, *, epoch: int | None = None) -> str:
    """Return the JSON document; ``epoch`` is its time in seconds since 1970 (SOURCE_DATE_EPOCH)."""
    return json.dumps(bill(report, epoch=epoch), indent=2) + "\n"


def bill(report: AuditReport, *, epoch: int | None = None) -> dict[str, Any]:
    """Return the document as plain values."""
    merged = merge(report)
    inputs = [_input(index, each) for index, each in enumerate(report.inputs)]
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
        "components": inputs + [_component(image, merged) for image in merged.images],
        "dependencies": _dependencies(report, merged),
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


def _input(index: int, each: AuditInput) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": _KINDS.get(each.kind, "library" if each.kind in {"wheel", "npm", "conda"} else "file"),
        "bom-ref": _input_ref(index),
        "name": printable(each.name or each.path),
    }
    if each.version:
        found["version"] = printable(each.version)
        purl = _purl(each)
        if purl is not None:
            found["purl"] = purl
    found["properties"] = _properties(
        [
            ("input", each.path),
            ("kind", each.kind),
            ("place", each.place),
            *(("platform", platform) for platform in each.platforms),
        ]
    )
    return found


def _purl(each: AuditInput) -> str | None:
    """Return the package URL of a package whose type has one."""

    def part(text: str, safe: str = "") -> str:
        return quote(text.encode("utf-8", "surrogateescape"), safe=safe)

    version = part(each.version or "")
    if each.kind == "wheel":
        return f"pkg:pypi/{part(each.name.lower().replace('_', '-'))}@{version}"
    if each.kind == "npm":
        return f"pkg:npm/{part(each.name.lower(), '/')}@{version}"
    if each.kind == "conda":
        return f"pkg:conda/{part(each.name)}@{version}"
    return None


def _component(image: MergedImage, merged: Merged) -> dict[str, Any]:
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
    pairs: list[tuple[str, str | None]] = [
        ("path", image.path),
        ("install-name", image.install_name),
        ("origin", image.origin.value),
        ("file-type", image.file_type),
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


def _dependencies(report: AuditReport, merged: Merged) -> list[dict[str, Any]]:
    wanted: dict[str, dict[str, None]] = {_input_ref(i): {} for i in range(len(report.inputs))}
    for image in merged.images:
        if image.root and report.inputs:
            wanted[_input_ref(image.input)][_ref(image.key)] = None
    for image in merged.images:
        wanted[_ref(image.key)] = {}
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
