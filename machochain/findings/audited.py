"""What checks of an audit look at: slices, bundles, wheels and processes; whatever macOS runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from machochain.findings.expectations import Expectations
from machochain.findings.rule import Rule
from machochain.graph.binaries import SignedBinary
from machochain.graph.mac import Mac
from machochain.model.audit import AuditBinary
from machochain.model.paths import leaf
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, LoadedImage, Origin, Result, Severity
from machochain.model.value import define, frozen
from machochain.model.version import Version

if TYPE_CHECKING:
    from machochain.findings.bundles import Bundle  # property lists are read in audits only

FIRST_ARM64: Final = Version.of(11)
"""The oldest macOS of Macs with Apple silicon."""

COMPATIBLE: Final[Mapping[str, tuple[str, ...]]] = {"arm64": ("arm64", "arm64e"), "x86_64": ("x86_64", "x86_64h")}


_PACKAGE: Final = re.compile(r".*/node_modules/(?:@[^/]+/)?[^/]+/")
"""Where an npm package lies: others may lie beside it, of which nothing is known."""


@frozen
class SliceCase:
    """One slice of an input, and what is asked of its file."""

    found: SignedBinary
    asked: Expectations

    @property
    def binary(self) -> AuditBinary:
        """The slice."""
        return self.found.binary


@define(slots=False)
class BundleCase:
    """The bundles of an input.

    Attributes:
        mac: The modelled Mac.
        bundles: From `machochain.findings.bundles.find_bundles`.
        binaries: The slices of the input.
    """

    mac: Mac
    bundles: Sequence[Bundle]
    binaries: Sequence[AuditBinary]

    @cached_property
    def programs(self) -> tuple[tuple[Bundle, tuple[AuditBinary, ...]], ...]:
        """The bundles that the system starts, with their slices; a program inside a program has its own."""
        places = [bundle.place for bundle in self.bundles if bundle.is_program]
        found = []
        for bundle in self.bundles:
            if bundle.is_program:
                inner = tuple(place + "/" for place in places if place.startswith(bundle.place + "/"))
                own = (b for b in self.binaries if b.place.startswith(bundle.place + "/"))
                found.append((bundle, tuple(b for b in own if not b.place.startswith(inner))))
        return tuple(found)


@frozen
class WheelCase:
    """One wheel.

    Attributes:
        tags: The oldest macOS its tags name, by architecture (`machochain.findings.wheels`).
        binaries: The slices in it.
        pure: Whether its tags say that it is for any platform.
        exists: Whether something lies at a path of the modelled Mac.
    """

    tags: Mapping[str, Version]
    binaries: Sequence[AuditBinary]
    pure: bool = False
    exists: Callable[[str], bool] = lambda _: False


@define(slots=False)
class ProcessCase:
    """One process of an input.

    Attributes:
        result: What became of it.
        binaries: The slices of the input by place and architecture.
        asked: What is asked of the file at a path of the input.
        is_root: Whether what must be loaded is looked for in this process.
        environment: Names of the variables the process is given.
        requires: Names of the packages that the artifact says it needs.
    """

    result: Result
    binaries: Mapping[tuple[str, str], AuditBinary]
    asked: Callable[[str], Expectations]
    is_root: bool
    environment: Iterable[str] = ()
    requires: tuple[str, ...] = ()

    @cached_property
    def _carried(self) -> frozenset[str]:
        return frozenset(leaf(place) for place, _ in self.binaries)

    @cached_property
    def tops(self) -> tuple[str, ...]:
        """The folders of npm packages, each with a slash; the root for anything else."""
        found = (_PACKAGE.match(place) for place, _ in self.binaries)
        return tuple(sorted({match.group() for match in found if match is not None})) or ("/",)

    def carries(self, name: str) -> bool:
        """Whether a file of some name lies in the input."""
        return name in self._carried

    def binary(self, image: LoadedImage) -> AuditBinary | None:
        """Return the slice of the input that an image is; None if it is from elsewhere."""
        if image.origin is not Origin.DISK or image.image is None:
            return None
        return self.binaries.get((image.path, image.image.arch.name))

    @cached_property
    def main(self) -> AuditBinary | None:
        """The main executable, if it is of the input."""
        first = self.result.images[0]
        return self.binary(first) if first.image is not None and first.image.is_main_executable else None

    @property
    def subject(self) -> LoadedImage:
        """The image the result is about."""
        return next((i for i in self.result.images if i.path == self.result.path), self.result.images[0])

    def names(self, name: str, serving: LoadedImage | None) -> tuple[str, ...]:
        """Return what globs of a policy are held against: the load path, and all names of what serves it."""
        inside = self.binary(serving) if serving is not None else None
        more = (serving.path, serving.install_name or "") if serving is not None else ()
        return (name, *more, *((inside.path,) if inside is not None else ()))


def of_binary(
    rule: Rule,
    severity: Severity,
    binary: AuditBinary,
    subject: str,
    message: str,
    remedies: tuple[Remedy, ...] = (),
    *,
    command: int | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    **evidence: Any,
) -> Finding:
    """Return a finding about one slice."""
    return Finding(
        rule.id, rule.name, severity, confidence, binary.origin, binary.arch, binary.place, command, subject,
        message, evidence, remedies, rule.page,
    )  # fmt: skip


def about_bundle(
    rule: Rule,
    severity: Severity,
    case: BundleCase,
    bundle: Bundle,
    subject: str,
    message: str,
    remedies: tuple[Remedy, ...] = (),
    **evidence: Any,
) -> Finding:
    """Return a finding about a bundle as such, for which its property list stands."""
    inside = next((b for b in case.binaries if b.place.startswith(bundle.place + "/")), None)
    origin = inside.origin if inside is not None else case.binaries[0].origin if case.binaries else bundle.place
    return Finding(
        rule.id, rule.name, severity, Confidence.CERTAIN, origin, inside.arch if inside is not None else "",
        bundle.plist, None, subject, message, evidence, remedies, rule.page,
    )  # fmt: skip


def serves(slices: Iterable[str], arch: str) -> bool:
    """Whether a file with these slices has code for an architecture."""
    return any(name in slices for name in COMPATIBLE[arch])
