"""MC609 to MC613: a static library, and the program that would be linked from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.words import names
from machochain.model.paths import leaf, printable
from machochain.model.prediction import Prediction
from machochain.model.result import Confidence, Severity
from machochain.model.shell import quoted

PREDICTED: Final = register(
    Rule(
        "MC609",
        "predicted-from-archive",
        "The program does not exist yet: its loads are predicted",
        Severity.INFO,
        "The input is a static library. What a program linked from it loads is told by the pragmas of a Go package, or "
        "by looking up undefined symbols; other packages and flags of the program may bring more.",
        "The answer is about a program that lies beside the archive and is linked from nothing else.",
        ("Resolve the linked program to be sure.",),
        references=("Go 1.27, cmd/cgo/out.go, dynimport()", "Go 1.27, cmd/link/internal/ld/go.go, ldpkg()"),
    )
)

NOT_FOUND: Final = register(
    Rule(
        "MC610",
        "link-library-not-found",
        "A library a package is linked with is not there",
        Severity.WARNING,
        "A `-l`, `-framework` or path among the package's link flags leads to no stub, dylib or static library on the "
        "modelled Mac, and cmd/go recorded no install name.",
        "The link fails on a machine like the modelled one, and what the program would load is unknown.",
        ("Map the folder of the library: `--map /opt/x/lib=HOST_FOLDER`.", "Or name an SDK: `--sdk DIR`."),
        references=("Go 1.27, cmd/go/internal/work/exec.go, dynimport()", "golang/go#52863"),
    )
)

FLAGS: Final = register(
    Rule(
        "MC611",
        "archive-link-flags",
        "A static library needs system libraries that it cannot name",
        Severity.INFO,
        "An archive keeps no link flags. The undefined symbols of its members are exported by libraries of the OS that "
        "a linker does not add by itself.",
        "Without these flags the link fails: `Undefined symbols for architecture …`.",
        ("Link with the flags in the message.",),
        references=("golang/go#58159",),
    )
)

UNDEFINED: Final = register(
    Rule(
        "MC612",
        "archive-undefined-symbols",
        "A static library needs symbols that nobody in it or in the OS defines",
        Severity.WARNING,
        "Undefined symbols of the members are in no other member and in no known library of the OS.",
        "The link fails unless what else is linked defines them: for a Go c-archive the C libraries of its packages, "
        "whose `-l` flags were lost.",
        ("Link the C library as well, and give the program a run path to it.",),
        references=("golang/go#58159",),
    )
)

MINOS: Final = register(
    Rule(
        "MC613",
        "archive-member-minos",
        "Members of a static library are built for different macOS versions",
        Severity.WARNING,
        "The minimum macOS of the archive's objects differs: Go's object has that of the Go release, C objects that of "
        "the compiler.",
        "ld warns `object file was built for newer macOS version than being linked` for a program with a deployment "
        "target below the highest; such a program may use what older releases lack.",
        (
            "Build with one deployment target: `CGO_CPPFLAGS=-mmacosx-version-min=…`, in a GOCACHE of its own.",
            "Or raise the deployment target of the program to the highest of the members.",
        ),
        references=("golang/go#43856", "golang/go#36025", "mattn/go-sqlite3#1055"),
    )
)

_NAMED: Final = 5
"""Undefined symbols a message names."""


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield what the archive says of the program."""
    prediction = case.result.prediction
    if prediction is None:
        return
    path = case.result.path
    name = printable(leaf(path))
    how = "the install names cmd/go recorded in it" if prediction.from_imports else "its link flags"
    if prediction.kind != "package":
        how = "its undefined symbols"
    evidence = {
        "kind": prediction.kind,
        "go": prediction.go_version,
        "sources": [list(pair) for pair in prediction.sources],
        "static": list(prediction.static),
    }
    yield Draft(
        PREDICTED.id, Severity.INFO, path, None, path,
        f"predicted from the archive: {name} is no program; what one linked from it loads is told by {how}",
        evidence, (advice("resolve the linked program to be sure"),),
        Confidence.CERTAIN if prediction.from_imports else Confidence.LIKELY,
    )  # fmt: skip
    for flag in prediction.unresolved:
        yield Draft(
            NOT_FOUND.id, Severity.WARNING, path, None, flag,
            f"{name} is linked with {printable(flag)}, which leads to no library on the modelled Mac", {},
            (advice("--map /FOLDER=HOST_FOLDER for the folder of its -L flag, or --sdk DIR"),), Confidence.LIKELY,
        )  # fmt: skip
    if prediction.flags:
        flags = " ".join(prediction.flags)
        yield Draft(
            FLAGS.id, Severity.INFO, path, None, flags, f"{name} keeps no link flags: link with {flags}",
            {"sources": [list(pair) for pair in prediction.sources]},
            (advice(f"cc … {quoted(leaf(path))} {flags}"),), Confidence.LIKELY,
        )  # fmt: skip
    if prediction.unprovided:
        shown = ", ".join(printable(s) for s in prediction.unprovided[:_NAMED])
        more = len(prediction.unprovided) - _NAMED
        yield Draft(
            UNDEFINED.id, Severity.WARNING, path, None, prediction.unprovided[0],
            f"{name} needs {shown}{f' and {more} more' if more > 0 else ''}, which neither it nor the OS defines",
            {"symbols": list(prediction.unprovided)}, (advice("link what defines them as well"),),
            Confidence.LIKELY,
        )  # fmt: skip
    yield from _member_minos(path, prediction)


def _member_minos(path: str, prediction: Prediction) -> Iterator[Draft]:
    versions = sorted({version for _, version in prediction.members})
    if len(versions) < 2:
        return
    highest = [name for name, version in prediction.members if version == versions[-1]]
    yield Draft(
        MINOS.id, Severity.WARNING, path, None, str(versions[-1]),
        f"{printable(leaf(path))}: {names(highest)} needs macOS {versions[-1]}, other members need {versions[0]}",
        {"members": [[name, str(version)] for name, version in prediction.members]},
        (
            advice(f"link with -mmacosx-version-min={versions[-1]}"),
            advice("build all members with one deployment target", also=True),
        ),
    )  # fmt: skip
