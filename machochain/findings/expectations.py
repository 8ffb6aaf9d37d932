"""What is asked of files: the part of a policy that checks look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from machochain.findings.registry import RULES
from machochain.model.result import Severity
from machochain.model.value import Factory, frozen
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
        provided_libraries: Globs of what may be needed and not carried, because something else supplies it.
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
    provided_libraries: tuple[str, ...] | None = None
    allow_run_paths: tuple[str, ...] | None = None
    forbid_run_paths: tuple[str, ...] | None = None
    minos: Bounds | None = None
    sdk: Bounds | None = None
    severity: Mapping[str, Severity | None] = Factory(dict)

    def over(self, base: Expectations) -> Expectations:
        """Return these expectations with those of ``base`` where nothing is said here; severities are joined."""
        own = {name: getattr(self, name) for name in Expectations.__match_args__ if name != "severity"}
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


def matches(text: str, globs: Iterable[str]) -> bool:
    """Whether a text is matched by one of some globs, in which ``*`` matches slashes, too, and case counts.

    A glob that ends with a slash means everything below that directory.
    """
    return any(fnmatchcase(text, f"{glob}*" if glob.endswith("/") else glob) for glob in globs)
