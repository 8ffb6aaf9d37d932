"""Whether a pipeline builds with cgo, without, across, or not at all: by a policy that says what may stand in.

``[machochain.ci]`` of a TOML file: ``targets``, ``pure_go_ok``, ``fallback``, ``min_macos``. Nothing is installed,
switched or built; nothing falls back that the project did not declare.
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Iterator
from enum import Enum
from typing import Any

from machochain.machine.doctor import MachineCase
from machochain.model.errors import UsageError
from machochain.model.value import frozen
from machochain.model.version import Version

_TARGETS = ("darwin/arm64", "darwin/amd64")
_TOOLCHAIN = frozenset({"MC741", "MC742", "MC743", "MC746", "MC754", "MC755", "MC758", "MC764"})


class Fallback(Enum):
    """What stands in where cgo cannot be built."""

    NONE = "none"
    NATIVE = "native-runner"
    CROSS = "cross"
    PURE_GO = "pure-go"


class Decision(Enum):
    """What a pipeline does."""

    CGO = "cgo"
    PURE_GO = "pure-go"
    CROSS = "cross"
    FAIL = "fail"
    UNKNOWN = "unknown"


@frozen
class CiPolicy:
    """What the project declared.

    Attributes:
        targets: For what is built.
        pure_go_ok: Whether a program without its cgo files is one that may be shipped.
        fallback: What stands in.
        min_macos: The oldest macOS; ``""`` for none.
    """

    targets: tuple[str, ...] = ("darwin/arm64",)
    pure_go_ok: bool = False
    fallback: Fallback = Fallback.NONE
    min_macos: str = ""


@frozen
class CiAnswer:
    """The decision.

    Attributes:
        decision: What to do.
        cgo_enabled: The value of CGO_ENABLED to set; None for none.
        reasons: Why, one sentence each.
        inputs: What it was decided from.
        vanishing: Packages whose files vanish without cgo.
    """

    decision: Decision
    cgo_enabled: bool | None
    reasons: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    vanishing: tuple[str, ...] = ()


def parse_policy(text: str, path: str) -> CiPolicy | None:
    """Read the ``[machochain.ci]`` table of a TOML file; None if it has none.

    Raises:
        UsageError: It is no TOML, or a value has another type.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    table: Any = data.get("machochain", {})
    table = table.get("ci") if isinstance(table, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise UsageError(f"{path}: machochain.ci is a table")
    unknown = sorted(set(table) - {"targets", "pure_go_ok", "fallback", "min_macos"})
    if unknown:
        raise UsageError(f"{path}: machochain.ci has no {unknown[0]!r}")
    targets, pure, low = (
        table.get("targets", ["darwin/arm64"]),
        table.get("pure_go_ok", False),
        table.get("min_macos", ""),
    )
    if not (isinstance(targets, list) and all(isinstance(t, str) for t in targets)):
        raise UsageError(f"{path}: targets is a list of texts")
    if not isinstance(pure, bool) or not isinstance(low, str):
        raise UsageError(f"{path}: pure_go_ok is true or false, min_macos a text")
    for target in targets:
        if target not in _TARGETS:
            raise UsageError(f"{path}: targets are {' and '.join(_TARGETS)}, not {target!r}")
    if low:
        try:
            Version.parse(low)
        except UsageError:
            raise UsageError(f"{path}: min_macos is a version such as 12.0, not {low!r}") from None
    try:
        fallback = Fallback(table.get("fallback", "none"))
    except ValueError:
        raise UsageError(f"{path}: fallback is one of {', '.join(f.value for f in Fallback)}") from None
    return CiPolicy(tuple(targets), pure, fallback, low)


def decide(case: MachineCase, policy: CiPolicy) -> CiAnswer:
    """Decide; the first row that fits counts."""
    broken = [f for f in case.findings if f.rule in _TOOLCHAIN and f.severity.value == "error"]
    unseen = sorted(case.skipped.keys() & _TOOLCHAIN)
    inputs = (
        ("uses cgo", {True: "yes", False: "no", None: "not known"}[case.cgo]),
        ("toolchain", "broken" if broken else "not known" if unseen else "works"),
        ("declared fallback", policy.fallback.value),
        ("pure Go may be shipped", "yes" if policy.pure_go_ok else "no"),
        ("targets", ", ".join(policy.targets)),
        ("minimum macOS", policy.min_macos or "not declared"),
    )
    vanishing = tuple(_vanishing(case))
    if case.cgo is None:
        return CiAnswer(Decision.UNKNOWN, None, ("no module was named: --source DIR",), inputs)
    if case.cgo is False:
        return CiAnswer(Decision.PURE_GO, False, ("the module uses no cgo",), inputs)
    if not broken and not unseen:
        reasons = ("the module uses cgo, and the toolchain works", *_pinned(case, policy))
        return CiAnswer(Decision.CGO, True, reasons, inputs)
    if not broken:
        return CiAnswer(Decision.UNKNOWN, None, tuple(f"{rule} {case.skipped[rule]}" for rule in unseen), inputs)
    reasons = tuple(f"{f.rule}: {f.message}" for f in broken)
    if policy.fallback is Fallback.PURE_GO and policy.pure_go_ok:
        gone = f"these packages lose files: {', '.join(vanishing)}" if vanishing else "no package loses files"
        return CiAnswer(Decision.PURE_GO, False, (*reasons, "declared: pure Go", gone), inputs, vanishing)
    if policy.fallback is Fallback.PURE_GO:
        reasons = (*reasons, "pure Go is declared, but pure_go_ok is not")
    elif policy.fallback is Fallback.CROSS:
        reasons = (*reasons, "declared: a cross compiler", *_pinned(case, policy))
        return CiAnswer(Decision.CROSS, True, reasons, inputs)
    elif policy.fallback is Fallback.NATIVE:
        reasons = (*reasons, "declared: run this job on a Mac")
    return CiAnswer(Decision.FAIL, None, reasons, inputs, vanishing)


def _pinned(case: MachineCase, policy: CiPolicy) -> Iterator[str]:
    """Say how the declared minimum gets into what is built, unless variables say it already."""
    low, settings = policy.min_macos, case.facts.settings
    flags = " ".join(settings.get(name).value for name in ("CGO_CPPFLAGS", "CGO_LDFLAGS"))
    if low and settings.process.get("MACOSX_DEPLOYMENT_TARGET") != low and f"version-min={low}" not in flags:
        flag = f"-mmacosx-version-min={low}"
        yield f'set CGO_CPPFLAGS={flag} and CGO_LDFLAGS="-O2 -g {flag}" for macOS {low}'


def _vanishing(case: MachineCase) -> Iterator[str]:
    if case.source is None:
        return
    packages = {p.path: p for ps in case.source.packages.values() for p in ps.values() if p.cgo}
    yield from sorted(packages)


def output_lines(answer: CiAnswer) -> str:
    """Return what a step of GitHub Actions appends to ``$GITHUB_OUTPUT``; texts of several lines in heredoc form."""
    cgo = {True: "1", False: "0", None: ""}[answer.cgo_enabled]
    mark = f"reasons_{secrets.token_hex(8)}"
    reasons = "\n".join(answer.reasons)
    return f"decision={answer.decision.value}\ncgo_enabled={cgo}\nreasons<<{mark}\n{reasons}\n{mark}\n"
