"""MC413: a library that an artifact needs, does not carry, and reaches by no run path inside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import ProcessCase, of_binary
from machochain.findings.expectations import matches
from machochain.findings.registry import of_audited, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import AT_PATHS
from machochain.model.paths import leaf, printable
from machochain.model.remedy import FILE
from machochain.model.result import Finding, Load, Outcome, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC413",
        "library-not-carried",
        "A library is needed that the artifact does not carry",
        Severity.WARNING,
        "A load path starts with `@rpath`, no file of that name and architecture lies in the artifact, and every run "
        "path that could lead to one is absolute, or there is none: what supplies the library is somebody else's.",
        "On a Mac without that somebody (Homebrew's libomp is the best known) the library cannot be found: the program "
        "does not launch, the module cannot be imported.",
        (
            "Ship the library: `delocate-wheel` for a wheel, else a copy beside the file, and `@loader_path`.",
            (
                "If something is sure to have loaded it before, or to supply it, name it in `provided-libraries` of "
                "the policy."
            ),
        ),
        milder="info where a package that the artifact requires has the library's name",
        references=(AT_PATHS,),
    )
)


@of_audited
def check(case: ProcessCase) -> Iterator[Finding]:
    """Yield the loads that nothing in the artifact can serve and nobody can decide."""
    for load in case.result.loads:
        name = load.dylib.name
        if load.outcome is not Outcome.UNKNOWN or load.dylib.weak or not name.startswith("@rpath/"):
            continue
        binary = case.binary(case.result.images[load.source])
        if binary is None:
            continue
        refused = [a.candidate.path for a in load.tried if not a.objection.is_miss]
        if (case.carries(leaf(name)) and not refused) or _reaches_beside(case, load):
            continue
        if matches(name, case.asked(binary.path).provided_libraries or ()):
            continue
        required = _required(leaf(name), case.requires)
        what = f"carries for another architecture only ({printable(refused[0])})" if refused else "does not carry"
        owners = list(dict.fromkeys(a.candidate.path for a in load.tried))
        by = f"; {printable(required)}, which it requires, may bring it" if required is not None else ""
        yield of_binary(
            RULE, Severity.INFO if required is not None else Severity.WARNING, binary, name,
            f"{printable(leaf(binary.place))} ({binary.arch}) loads {printable(name)}, which the artifact {what} and "
            f"no run path in it leads to{by}",
            (
                advice(f"put {quoted(leaf(name))} beside {FILE}, with @loader_path as run path", file=binary.place),
                advice("name it in provided-libraries of the policy if something else is sure to bring it", also=True),
            ),
            command=load.dylib.command_index, looked=owners, required=required,
        )  # fmt: skip


def _reaches_beside(case: ProcessCase, load: Load) -> bool:
    """Whether a run path leads out of the artifact, seen from its own image: to what is installed beside it."""
    images = case.result.images
    for attempt in load.tried:
        at = attempt.candidate
        if at.image is None or at.run_path is None:
            continue
        if not attempt.unseen and f"{posixpath.normpath(at.path)}/".startswith(case.tops):
            continue
        header = images[at.image].image
        if header is not None and header.run_paths[at.run_path].path.startswith("@"):
            return True
    return False


def _required(name: str, requires: tuple[str, ...]) -> str | None:
    """Return the required package whose name a library bears: torch for libtorch_cpu.dylib."""
    plain = re.sub(r"[^a-z0-9]+", "", name.lower())
    return next((each for each in requires if re.sub(r"[^a-z0-9]+", "", each.lower()) in plain), None)
