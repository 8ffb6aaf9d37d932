"""What a project asks of what it ships: the policy as a value, and how it judges one finding."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from machochain.findings.expectations import Expectations, matches
from machochain.model.result import Severity
from machochain.model.value import frozen
from machochain.model.version import Version


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


PROFILES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "release": {"severity": {"MC401": "error"}},
        "wheel": {
            "severity": {
                "MC120": "off", "MC121": "off", "MC235": "error", "MC401": "error", "MC413": "error", "MC414": "error",
                "MC511": "error", "MC514": "error", "MC903": "off",
            },
        },
        "app": {"severity": {"MC234": "error", "MC401": "error"}},
        "dev": {"severity": {"MC120": "off", "MC121": "off", "MC401": "info", "MC402": "info", "MC403": "off"}},
    }
)  # fmt: skip
"""The built-in profiles, written as policy files are."""
