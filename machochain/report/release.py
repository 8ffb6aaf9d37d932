"""What installer packages and disk images say of themselves, in words and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from machochain.model.paths import printable
from machochain.model.release import DiskImage, InstallerPackage


def release_fields(release: InstallerPackage | DiskImage) -> dict[str, Any]:
    """Return the fields of the document: ``installer`` or ``image``."""
    import attrs  # noqa: PLC0415  # few files are releases

    name = "installer" if isinstance(release, InstallerPackage) else "image"
    return {name: attrs.asdict(release, recurse=True, value_serializer=_plain)}


def _plain(_: object, __: object, value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def release_lines(release: InstallerPackage | DiskImage) -> Iterator[tuple[str, str]]:
    """Yield label and text of what a person looks for first."""
    pairs = _installer(release) if isinstance(release, InstallerPackage) else _image(release)
    return ((label, printable(text)) for label, text in pairs)


def _installer(package: InstallerPackage) -> Iterator[tuple[str, str]]:
    for each in package.components:
        what = " ".join(part for part in (each.identifier or each.name, each.version) if part)
        yield "component", f"{what}, in {each.location}" if each.payload else f"{what}, only runs scripts"
        for bundle in each.relocatable:
            yield "relocatable", f"{bundle}: if it is found elsewhere, Installer updates it there"
    for script in package.scripts:
        mentions = f", which names {', '.join(script.mentions)}" if script.mentions else ""
        yield "script", f"{script.name} of {script.component}{mentions}"
    for signer in package.signers:
        yield "signed by", f"{signer} (not verified)"
    if package.minimum:
        yield "asks for", f"macOS {package.minimum}"
    if package.architectures:
        yield "processors", ", ".join(package.architectures)
    if package.asks_script:
        yield "asks", "a script of its own whether it may be installed (not run)"


def _image(image: DiskImage) -> Iterator[tuple[str, str]]:
    for volume in image.volumes:
        yield "volume", f"{volume.name}, {volume.form}{', case-sensitive' if volume.case_sensitive else ''}"
    if image.encodings:
        yield "packed as", ", ".join(image.encodings)
    if image.licence:
        yield "licence", "shown before it opens"
    if image.signed:
        yield "signature", "present (not verified)"
