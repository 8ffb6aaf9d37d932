"""The rules there are and their checks.

Each module of `machochain.findings.rules` states its rules (`register`) and says what its checks look at, by one of the
decorators below. Nothing else lists rules: their pages, the policy and the reports ask `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from machochain.findings.rule import Rule

if TYPE_CHECKING:
    from machochain.findings.audited import BundleCase, ProcessCase, SliceCase, WheelCase
    from machochain.findings.draft import Case, Draft, FileCase, ReleaseCase
    from machochain.machine.doctor import MachineCase
    from machochain.model.result import Finding
    from machochain.source.values import SourceReport

FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MC1": "Load chain",
        "MC2": "Versions, SDK and symbols",
        "MC3": "What newer macOS refuses",
        "MC4": "Paths that leak or break elsewhere",
        "MC5": "Architecture, platform and signature",
        "MC6": "Go and cgo",
        "MC7": "Source, toolchain and machine",
        "MC8": "What the kernel refuses",
        "MC9": "What could not be seen",
    }
)
"""Heading of each family, by the first three letters of its ids."""

_known: Final[dict[str, Rule]] = {}

_PARTS: Final = ("", "audits", "golang", "machines", "sources")
_loaded: Final[set[str]] = set()


def import_modules(package: str, path: Iterable[str]) -> None:
    """Import the modules of a package, in the order of their names; each registers its rules and checks."""
    for name in sorted(module.name for module in iter_modules(path) if not module.ispkg):
        import_module(f"{package}.{name}")


def load(part: str = "") -> None:
    """Register the rules of a package below `machochain.findings.rules`; by default those about processes."""
    if part not in _loaded:
        _loaded.add(part)
        import_module(f"machochain.findings.rules.{part}" if part else "machochain.findings.rules")


class _Rules(Mapping[str, Rule]):
    """All rules; which there are is found out when somebody asks for more than those in use."""

    def __getitem__(self, id_: str) -> Rule:
        if id_ not in _known:
            self._complete()
        return _known[id_]

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return iter(_known)

    def __len__(self) -> int:
        self._complete()
        return len(_known)

    def _complete(self) -> None:
        for part in _PARTS:
            load(part)


RULES: Final[Mapping[str, Rule]] = _Rules()
"""Every rule by its id, in rising order. An id never changes its meaning."""


def register(rule: Rule) -> Rule:
    """Add a rule; its module calls this once.

    Raises:
        ValueError: The id or the name is taken.
    """
    if rule.id in _known or any(rule.name == other.name for other in _known.values()):
        raise ValueError(f"{rule.id} {rule.name}: taken")
    after = {id_: _known.pop(id_) for id_ in list(_known) if id_ > rule.id}
    _known[rule.id] = rule
    _known.update(after)
    return rule


_What = TypeVar("_What")
_Told = TypeVar("_Told", bound="Draft | Finding")


class Checks(Generic[_What, _Told]):
    """The checks that look at one kind of thing: a decorator that adds one, and a way to run them all."""

    def __init__(self, part: str = "") -> None:
        """Start with none; ``part`` is the package of rules that has them."""
        self.part = part
        self._checks: list[Callable[[_What], Iterator[_Told]]] = []

    def __call__(self, check: Callable[[_What], Iterator[_Told]]) -> Callable[[_What], Iterator[_Told]]:
        """Add a check."""
        self._checks.append(check)
        return check

    @property
    def modules(self) -> frozenset[str]:
        """The modules whose checks these are."""
        load(self.part)
        return frozenset(check.__module__ for check in self._checks)

    def of(self, what: _What) -> Iterator[_Told]:
        """Yield what all checks say, in the order of their modules' names."""
        load(self.part)
        for check in self._checks:
            yield from check(what)


of_walk: Final[Checks[Case, Draft]] = Checks()
"""Checks of a process whose answer is the same on every release that comes to the same walk; asked once for each."""
of_process: Final[Checks[Case, Draft]] = Checks()
"""Checks of a process on one release."""
of_file: Final[Checks[FileCase, Draft]] = Checks()
"""Checks of an image whose answer is the same in every process on every release; asked once in a run."""
of_release: Final[Checks[ReleaseCase, Draft]] = Checks()
"""Checks of an image whose answer is the same in every process on one release; asked once for each."""
of_slice: Final[Checks[SliceCase, Finding]] = Checks("audits")
"""Checks of a slice of an audited input, whether a process reached it or not."""
of_bundles: Final[Checks[BundleCase, Finding]] = Checks("audits")
"""Checks of the bundles of an audited input."""
of_wheel: Final[Checks[WheelCase, Finding]] = Checks("audits")
"""Checks of an audited wheel."""
of_machine: Final[Checks[MachineCase, Finding]] = Checks("machines")
"""Checks of a recorded Mac."""
of_source: Final[Checks[SourceReport, Finding]] = Checks("sources")
"""Checks of the sources of a Go module."""
of_audited: Final[Checks[ProcessCase, Finding]] = Checks("audits")
"""Checks of a process that is held against a policy and the files of its input."""
