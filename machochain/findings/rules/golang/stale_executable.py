"""MC606: go run may start an executable that was linked with an older library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import command
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Origin, Severity

RULE: Final = register(
    Rule(
        "MC606",
        "go-stale-executable",
        "go run may start an executable that was linked with an older library",
        Severity.INFO,
        "The program links a library of its own, and Go 1.24 or newer keeps what `go run` has linked in its cache.",
        "The cache does not notice that a C library changed: after an upgrade `go run` starts the old executable, "
        "which asks for a library that is gone. `go build`, `go install` and `go test -c` do not link again either "
        "while their output file is there, because its build ID still fits; `go test` prints `(cached)` without "
        "starting anything.",
        (
            "`go run -a …` or `go clean -cache` links anew.",
            "`rm` the output before `go build`, or `go build -a`.",
            "`go test -count=1 …` runs the tests.",
        ),
        references=("golang/go#69290", "golang/go#24355", "Go 1.27, cmd/go/internal/run/run.go"),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield a program that links libraries of its own and that go run keeps."""
    main = case.main
    go = case.facts.go.get(main.id) if main is not None else None
    if main is None or go is None:
        return
    match = re.match(r"go1\.(\d+)", go.binary.version or "")
    if match is None or int(match.group(1)) < 24 or go.link != "external":
        return
    own = [
        load.dylib.name
        for load in case.result.loads
        if load.source == main.id and not load.inserted and not _of_os(case, load.to, load.dylib.name)
    ]
    if own:
        names = ", ".join(printable(leaf(n)) for n in own[:3]) + (" and others" if len(own) > 3 else "")
        yield Draft(
            RULE.id, Severity.INFO, main.path, None, main.path,
            f"go run keeps {printable(leaf(main.path))} in its cache and does not link it again when {names} changes",
            {"libraries": own},
            (
                command("go run -a ."),
                command("go clean -cache", also=True),
                command("go build -a"),
                command("go test -count=1 ./..."),
            ),
        )  # fmt: skip


def _of_os(case: Case, to: int | None, name: str) -> bool:
    if to is None:
        return name.startswith(("/usr/lib/", "/System/"))
    return case.result.images[to].origin is Origin.OS
