"""MC122 to MC125: run paths that cannot mean what their author meant; the text of each alone shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import drop_run_path, replace_run_path
from machochain.findings.rule import Rule
from machochain.findings.runpaths import is_misspelt, without_origin
from machochain.findings.sources import AT_PATHS, RESIGN
from machochain.model.image import RunPath
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy, RemedyKind
from machochain.model.result import Severity

RELATIVE: Final = register(
    Rule(
        "MC122",
        "relative-run-path",
        "A run path depends on the working directory",
        Severity.WARNING,
        "The LC_RPATH starts with neither `/` nor `@loader_path` nor `@executable_path`.",
        "dyld takes it from the directory the process was started in; a hardened process refuses such paths.",
        ("`install_name_tool -rpath OLD @loader_path/OLD FILE`", RESIGN),
        references=(AT_PATHS,),
    )
)

ORIGIN: Final = register(
    Rule(
        "MC123",
        "origin-run-path",
        "A run path uses $ORIGIN",
        Severity.WARNING,
        "`$ORIGIN` belongs to ELF. To dyld it is a directory of that name.",
        "The run path reaches nothing.",
        ("`install_name_tool -rpath '$ORIGIN/…' @loader_path/… FILE`", RESIGN),
        references=(AT_PATHS,),
    )
)

COLON: Final = register(
    Rule(
        "MC124",
        "colon-run-path",
        "A run path holds several directories",
        Severity.WARNING,
        "An LC_RPATH contains a colon. ELF splits run paths there, dyld does not.",
        "The whole text is taken for one directory, which does not exist. `go build -ldflags '-r a:b'` makes one.",
        ("`install_name_tool -delete_rpath A:B FILE`, then `-add_rpath A -add_rpath B`.", RESIGN),
        references=(AT_PATHS, "Go 1.27, src/cmd/link/internal/ld/macho.go"),
    )
)

VARIABLE: Final = register(
    Rule(
        "MC125",
        "unknown-run-path-variable",
        "A run path starts with a variable dyld does not know there",
        Severity.WARNING,
        "Run paths may start with `@loader_path` or `@executable_path`. Anything else behind `@`, `@rpath` included, "
        "is not expanded.",
        "The run path reaches nothing.",
        ("`install_name_tool -rpath OLD NEW FILE` with the variable corrected.", RESIGN),
        references=(AT_PATHS,),
    )
)


@of_file
def check(case: FileCase) -> Iterator[Draft]:
    """Yield each misspelt run path, by the first that is wrong with it."""
    for run_path in case.header.run_paths:
        if is_misspelt(run_path.path):
            yield _draft(case, run_path)


def _draft(case: FileCase, run_path: RunPath) -> Draft:
    text, path = run_path.path, case.image.path
    shown, name = printable(text), printable(leaf(path))
    if "$ORIGIN" in text or "${ORIGIN}" in text:
        rule, message = ORIGIN, f"run path {shown} of {name} uses $ORIGIN, which dyld does not expand"
        remedy = replace_run_path(text, without_origin(text), path)
    elif ":" in text:
        rule, message = COLON, f"run path {shown} of {name} holds a colon: dyld takes it for one directory"
        remedy = (Remedy(RemedyKind.SPLIT_RUN_PATH, path, text),)
    elif text.startswith("@"):
        variable = printable(text.partition("/")[0])
        rule, message = VARIABLE, f"run path {shown} of {name}: dyld does not expand {variable} in a run path"
        remedy = drop_run_path(text, path)
    else:
        rule, message = RELATIVE, f"run path {shown} of {name} is relative to the working directory"
        remedy = replace_run_path(text, f"@loader_path/{text.removeprefix('./')}", path)
    return Draft(rule.id, Severity.WARNING, path, run_path.command_index, text, message, {}, remedy)
