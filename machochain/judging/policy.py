"""What a project asks of what it ships: the policy as a value, and how it judges one finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from attrs import Factory, fields, frozen

from machochain.findings.catalogue import RULES
from machochain.model.result import Severity
from machochain.model.version import Version


@frozen
class Bounds:
    """The lowest and the highest version that is accepted, both included; None for no bound."""

    low: Version | None = None
    high: Version | None = None


@frozen
class Expectations:
    """What is asked of files; None where nothing is said. Keys of the policy file have the same names.

    Attributes:
        archs: Architectures each file must have.
        allow_libraries: Globs; whatever else is outside of the OS and the input may not be linked.
        forbid_libraries: Globs of what may not be linked, the OS's own included.
        required_libraries: Globs, each of which a library of the process must match.
        allow_run_paths: Globs; no other run paths may be there.
        forbid_run_paths: Globs of run paths that may not be there.
        minos: Bounds of the minimum macOS version.
        sdk: Bounds of the recorded SDK.
        severity: Rule id to the severity it has instead of its own; None for off.
    """

    archs: tuple[str, ...] | None = None
    allow_libraries: tuple[str, ...] | None = None
    forbid_libraries: tuple[str, ...] | None = None
    required_libraries: tuple[str, ...] | None = None
    allow_run_paths: tuple[str, ...] | None = None
    forbid_run_paths: tuple[str, ...] | None = None
    minos: Bounds | None = None
    sdk: Bounds | None = None
    severity: Mapping[str, Severity | None] = Factory(dict)

    def over(self, base: Expectations) -> Expectations:
        """Return these expectations with those of ``base`` where nothing is said here; severities are joined."""
        own = {f.name: getattr(self, f.name) for f in fields(Expectations) if f.name != "severity"}
        joined = {name: getattr(base, name) if value is None else value for name, value in own.items()}
        return Expectations(**joined, severity={**base.severity, **self.severity})

    def judge(self, rule: str, reported: Severity) -> Severity | None:
        """Return the severity a finding has under this policy, or None if its rule is off.

        The configured severity stands in the place of the rule's own. A finding that is milder than its rule stays as
        mild as it is, or becomes milder still.
        """
        if rule not in self.severity:
            return reported
        wanted = self.severity[rule]
        if wanted is None or reported.rank >= RULES[rule].severity.rank:
            return wanted
        return min(reported, wanted, key=lambda severity: severity.rank)


@frozen
class Override:
    """Expectations of the files some globs match."""

    paths: tuple[str, ...]
    expectations: Expectations


@frozen
class Ignore:
    """A suppression written into the policy.

    Attributes:
        rule: Id of the rule.
        paths: Globs of the files' paths in the input; empty for all.
        libraries: Globs of the findings' subjects (library, run path, symbol); empty for all.
        reason: Why.
        expires: The last day it holds; None for ever.
        entry: How to find it in the file: ``ignore[0] MC402 lib/*.so``.
        file: The file it is written in.
    """

    rule: str
    reason: str
    paths: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    expires: date | None = None
    entry: str = ""
    file: str = ""

    def covers(self, rule: str, path: str, subject: str) -> bool:
        """Whether it is about such a finding."""
        return (
            rule == self.rule
            and (not self.paths or matches(path, self.paths))
            and (not self.libraries or matches(subject, self.libraries))
        )


@frozen
class Policy:
    """What a project asks of what it ships.

    Attributes:
        profile: The built-in profile it starts from.
        expectations: What is asked of every file.
        overrides: What is asked of some; later ones count more.
        macos: The releases it must run on; empty to begin with each input's own minimum.
        fail_on: The severity from which on an audit fails; None for never.
        sdks: Folders of macOS SDKs on this machine.
        ignores: Suppressions.
        sources: The files it was read from.
    """

    profile: str
    expectations: Expectations
    overrides: tuple[Override, ...] = ()
    macos: tuple[Version, ...] = ()
    fail_on: Severity | None = Severity.ERROR
    sdks: tuple[str, ...] = ()
    ignores: tuple[Ignore, ...] = ()
    sources: tuple[str, ...] = ()

    def of(self, path: str) -> Expectations:
        """Return what is asked of the file at a path of the input."""
        found = self.expectations
        for override in self.overrides:
            if matches(path, override.paths):
                found = override.expectations.over(found)
        return found


def matches(text: str, globs: Iterable[str]) -> bool:
    """Whether a text is matched by one of some globs, in which ``*`` matches slashes, too, and case counts.

    A glob that ends with a slash means everything below that directory.
    """
    return any(fnmatchcase(text, f"{glob}*" if glob.endswith("/") else glob) for glob in globs)


PROFILES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "release": {"severity": {"MC401": "error"}},
        "wheel": {
            "severity": {
                "MC120": "off", "MC121": "off", "MC235": "error", "MC401": "error", "MC511": "error", "MC903": "off",
            },
        },
        "app": {"severity": {"MC234": "error", "MC401": "error"}},
        "dev": {"severity": {"MC120": "off", "MC121": "off", "MC401": "info", "MC402": "info", "MC403": "off"}},
    }
)  # fmt: skip
"""The built-in profiles, written as policy files are."""
