"""Audits as an SPDX 2.3 document: a package for each input, each package in it and each image, and how they are linked.

Images are packages whose files were not analysed (``filesAnalyzed``): SPDX has neither versions nor load commands for
files. ``DYNAMIC_LINK`` are the loads dyld follows; one that finds nothing leads to NOASSERTION, with a comment.
Licences are those that packages declare; none is concluded. SPDX wants a time: without SOURCE_DATE_EPOCH it is that of
1970, and a comment says so, because the same report gives the same bytes.

https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from machochain._version import __version__
from machochain.model.audit import AuditReport
from machochain.model.go import GoModule
from machochain.model.materials import FileDigest, PackageFacts, PackageKind
from machochain.model.paths import leaf, printable
from machochain.model.result import Origin, Outcome
from machochain.report.audit_words import releases, verdict
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_words, passed_over_line
from machochain.report.merged import Merged, MergedImage, merge
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

_NAMESPACE: Final = UUID("0c1f3f52-5b6f-5d0c-8a53-6d6163686f63")
_NOTHING: Final = "NOASSERTION"
_PURPOSES: Final = {
    "app": "APPLICATION", "framework": "FRAMEWORK", "xcframework": "FRAMEWORK", "wheel": "LIBRARY", "npm": "LIBRARY",
    "conda": "LIBRARY", "file": "FILE",
}  # fmt: skip


class _Licences:
    """The licences that are no SPDX expression, by what they are called; each gets an id of the document."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def declared(self, facts: PackageFacts | None) -> str:
        """Return the expression of what a package declares."""
        if facts is None:
            return _NOTHING
        licence = licence_of(facts)
        if licence.expression is not None:
            return licence.expression
        return " AND ".join(self._ref(name) for name in licence.names) or _NOTHING

    def _ref(self, name: str) -> str:
        shown = printable(name)
        return self.texts.setdefault(shown, f"LicenseRef-{hashlib.sha256(shown.encode()).hexdigest()[:16]}")

    @property
    def extracted(self) -> list[dict[str, str]]:
        """What the document says of them: no more than their names are known."""
        return [{"licenseId": ref, "name": name, "extractedText": name} for name, ref in self.texts.items()]


def spdx(report: AuditReport, *, epoch: int | None = None) -> dict[str, Any]:
    """Return the document as plain values.

    Args:
        report: The audit.
        epoch: Time of the document in seconds since 1970.
    """
    merged, known, licences = merge(report), bills(report), _Licences()
    packages: list[dict[str, Any]] = []
    links: list[dict[str, str]] = []
    for index, bill in enumerate(known):
        packages.append(_input(index, bill, licences))
        links.append(_link("SPDXRef-DOCUMENT", "DESCRIBES", _input_ref(index)))
        for number, facts in enumerate(bill.packages):
            packages.append(_inner(index, number, facts, licences))
            links.append(_link(_input_ref(index), "CONTAINS", _package_ref(index, number)))
    for image in merged.images:
        owner = known[image.input] if known else None
        packages.append(_image(image, owner))
        links += _holding(image, owner)
        for package, link in _modules(image, owner):
            packages.append(package)
            links.append(link)
    links += _loads(merged)
    time = datetime.fromtimestamp(epoch or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    creation = {"created": time, "creators": [f"Tool: machochain-{report.tool or __version__}"]}
    if epoch is None:
        creation["comment"] = "No time is known: SOURCE_DATE_EPOCH gives one."
    body: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": _name(report),
        "creationInfo": creation,
        "comment": "\n".join(_examined(report)),
        "packages": packages,
        "relationships": links or [_link("SPDXRef-DOCUMENT", "DESCRIBES", _NOTHING)],
    }
    if licences.texts:
        body["hasExtractedLicensingInfos"] = licences.extracted
    body["documentNamespace"] = f"urn:uuid:{uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))}"
    return body


def _name(report: AuditReport) -> str:
    names = [printable(leaf(given.path.rstrip("/")) or given.path) for given in report.inputs]
    return names[0] if len(names) == 1 else f"{len(names)} inputs"


def _examined(report: AuditReport) -> Iterator[str]:
    yield f"machochain audit: {verdict(report)}; {coverage_words(report.coverage)}"
    for each in report.coverage.passed_over:
        yield f"not looked into: {passed_over_line(each)}"
    for error in report.errors:
        yield f"not read: {printable(str(error))}"
    for path in (*report.skipped, *report.unexamined):
        yield f"nothing looked at in {printable(path)}"


def _input_ref(index: int) -> str:
    return f"SPDXRef-input-{index}"


def _package_ref(index: int, number: int) -> str:
    return f"SPDXRef-package-{index}-{number}"


def _image_ref(key: int) -> str:
    return f"SPDXRef-image-{key}"


def _link(source: str, kind: str, to: str, comment: str = "") -> dict[str, str]:
    found = {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": to}
    return found | ({"comment": comment} if comment else {})


def _package(ref: str, name: str, version: str | None, url: str | None, licence: str = _NOTHING) -> dict[str, Any]:
    found: dict[str, Any] = {"SPDXID": ref, "name": printable(name) or "unnamed"}
    if version:
        found["versionInfo"] = printable(version)
    found |= {
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": licence,
        "copyrightText": _NOTHING,
    }
    if url is not None:
        found["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}
        ]
    return found


def _checksums(file: FileDigest | None) -> dict[str, Any]:
    return {} if file is None else {"checksums": [{"algorithm": "SHA256", "checksumValue": file.sha256}]}


def _told(facts: PackageFacts | None) -> dict[str, Any]:
    if facts is None:
        return {}
    found: dict[str, Any] = {"sourceInfo": f"as {printable(facts.source)} says"}
    if facts.copyright:
        found["copyrightText"] = printable(facts.copyright)
    if facts.supplier:
        found["supplier"] = f"Organization: {printable(facts.supplier)}"
    url = homepage_of(facts)
    if url is not None:
        found["homepage"] = url
    return found


def _input(index: int, bill: Bill, licences: _Licences) -> dict[str, Any]:
    given = bill.given
    version = given.version or (bill.own.version if bill.own is not None else None)
    url = purl(given.kind, given.name, given.version)
    found = _package(_input_ref(index), given.name or given.path, version, url, licences.declared(bill.own))
    return {
        **found,
        **_told(bill.own),
        **_checksums(bill.whole),
        "packageFileName": printable(given.path),
        "primaryPackagePurpose": _PURPOSES.get(given.kind, "ARCHIVE" if given.archive else "OTHER"),
    }


def _inner(index: int, number: int, facts: PackageFacts, licences: _Licences) -> dict[str, Any]:
    found = _package(
        _package_ref(index, number), short_name(facts), facts.version, package_purl(facts), licences.declared(facts)
    )
    purpose = "LIBRARY"
    if facts.kind is PackageKind.BUNDLE:
        purpose = "FRAMEWORK" if ".framework" in facts.source else "APPLICATION"
    return {**found, **_told(facts), "primaryPackagePurpose": purpose}


def _image(image: MergedImage, bill: Bill | None) -> dict[str, Any]:
    versions = {str(b.current_version) for b in image.builds if b.current_version is not None}
    info = bill.go.get(image.path) if bill is not None else None
    main = main_module(info) if info is not None else None
    version = versions.pop() if len(versions) == 1 else None
    if main is not None and main.version.startswith("v"):
        version = main.version
    url = module_purl(main) if main is not None else None
    found = _package(_image_ref(image.key), leaf(image.path) or image.path, version, url)
    if image.origin is Origin.OS:
        found["supplier"] = "Organization: Apple Inc."
    facts = [f"{b.arch}: {b.uuid}" for b in image.builds if b.uuid is not None]
    if facts:
        found["comment"] = f"LC_UUID {', '.join(facts)}"
    return {
        **found,
        **_checksums(bill.digests.get(image.path) if bill is not None else None),
        "packageFileName": printable(image.path),
        "primaryPackagePurpose": "APPLICATION" if image.file_type == "MH_EXECUTE" else "LIBRARY",
    }


def _holding(image: MergedImage, bill: Bill | None) -> Iterator[dict[str, str]]:
    """Say what an image is part of: the package it belongs to, else the input it was found in."""
    if bill is None or image.path not in bill.places:
        return
    owner = bill.owners.get(image.path)
    holder = _input_ref(image.input) if owner is None else _package_ref(image.input, owner)
    yield _link(holder, "CONTAINS", _image_ref(image.key))


def _modules(image: MergedImage, bill: Bill | None) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield the Go modules inside a program, each with the link that says so."""
    info = bill.go.get(image.path) if bill is not None else None
    for number, (module, old) in enumerate(modules_of(info) if info is not None else ()):
        ref = f"{_image_ref(image.key)}-go-{number}"
        yield _module(ref, module, old), _link(_image_ref(image.key), "STATIC_LINK", ref)


def _module(ref: str, module: GoModule, old: GoModule | None) -> dict[str, Any]:
    version = module.version if module.version.startswith("v") else None
    found = _package(ref, module.path, version, module_purl(module))
    notes = [f"go.sum {module.sum}"] if module.sum else []
    notes += [f"in place of {old.path} {old.version}".rstrip()] if old is not None else []
    return found | {"primaryPackagePurpose": "LIBRARY"} | ({"comment": printable("; ".join(notes))} if notes else {})


def _loads(merged: Merged) -> Sequence[dict[str, str]]:
    found: dict[tuple[int, int | None, str], dict[str, str]] = {}
    for load in merged.loads:
        source = _image_ref(load.source)
        if load.to is not None:
            link = _link(source, "DYNAMIC_LINK", _image_ref(load.to), "weak" if load.weak else "")
            found.setdefault((load.source, load.to, ""), link)
        elif load.outcome is not Outcome.WEAK_MISSING:
            words = printable(f"{load.outcome.value} on macOS {releases(load.macos)}: {load.name}")
            found[load.source, None, words] = _link(source, "DYNAMIC_LINK", _NOTHING, words)
    return list(found.values())


def write(report: AuditReport, context: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(spdx(report, epoch=context.epoch), indent=2) + "\n"
