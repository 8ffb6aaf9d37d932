"""MC513: a bundle's executable is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.audited import BundleCase, about_bundle
from machochain.findings.registry import of_bundles, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import leaf, printable
from machochain.model.remedy import FILE
from machochain.model.result import Finding, Severity

if TYPE_CHECKING:
    from machochain.findings.bundles import Bundle

RULE: Final = register(
    Rule(
        "MC513",
        "bundle-executable-missing",
        "A bundle's executable is not there",
        Severity.ERROR,
        "CFBundleExecutable in Info.plist names a file that does not exist in the bundle.",
        "The Finder cannot open the application; a framework or plug-in cannot be loaded as a bundle.",
        ("Correct CFBundleExecutable in Info.plist, or put the file there.",),
        milder="warning for bundles other than applications",
    )
)


@of_bundles
def check(case: BundleCase) -> Iterator[Finding]:
    """Yield the bundles without the executable they name."""
    for bundle in case.bundles:
        if _is_missing(case, bundle):
            name = str(bundle.info["CFBundleExecutable"])
            yield about_bundle(
                RULE, Severity.ERROR if bundle.is_program else Severity.WARNING, case, bundle, name,
                f"{printable(leaf(bundle.place))} says its executable is {printable(name)}, which is not in it",
                (advice(f"correct CFBundleExecutable in {FILE}, or put the file there", file=bundle.plist),),
                plist=bundle.plist, looked=list(bundle.executables),
            )  # fmt: skip


def _is_missing(case: BundleCase, bundle: Bundle) -> bool:
    nodes = [case.mac.look(path) for path in bundle.executables]
    if not nodes or any(n.presence is Presence.UNSEEN or n.kind is NodeKind.FILE for n in nodes):
        return False
    # Wheels and zips often lose the links of a framework: its library is then found where it really lies, and loads
    # name that path.
    versions, name = f"{bundle.place}/Versions/", bundle.info["CFBundleExecutable"]
    return not any(b.place.startswith(versions) and leaf(b.place) == name for b in case.binaries)
