"""MC111: a library is found through a DYLD_ variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import add_run_path, change
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN, VARIANTS
from machochain.model.paths import printable
from machochain.model.result import Severity
from machochain.model.search import SearchRule

RULE: Final = register(
    Rule(
        "MC111",
        "environment-dependent",
        "A library is found through a DYLD_ variable",
        Severity.WARNING,
        "The library comes from `DYLD_LIBRARY_PATH`, `DYLD_FRAMEWORK_PATH`, their fallback or versioned forms, or "
        "`DYLD_IMAGE_SUFFIX`.",
        "The variables are ignored by hardened programs and are lost on the way through `/bin/sh`, `/usr/bin/env`, "
        "`make` and every other program protected by SIP, and through the hardened `go` command.",
        ("Add a run path instead: `install_name_tool -add_rpath DIRECTORY FILE`.", RESIGN),
        milder="info where the executable's own LC_DYLD_ENVIRONMENT sets the variable",
        references=(VARIANTS, "dyld-1378, dyld/DyldProcessConfig.cpp, Security::pruneEnvVars()", "golang/go#36572"),
    )
)

_VARIABLES: Final = {
    SearchRule.PATH_DIR_OVERRIDE: ("DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"),
    SearchRule.VERSIONED_OVERRIDE: ("DYLD_VERSIONED_LIBRARY_PATH", "DYLD_VERSIONED_FRAMEWORK_PATH"),
    SearchRule.SUFFIX_OVERRIDE: ("DYLD_IMAGE_SUFFIX",),
    SearchRule.CUSTOM_FALLBACK: ("DYLD_FALLBACK_LIBRARY_PATH", "DYLD_FALLBACK_FRAMEWORK_PATH"),
}


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads that a variable serves."""
    for load in case.survey.odd:
        names = _VARIABLES.get(load.found.rule) if load.found is not None else None
        if load.found is None or names is None:
            continue
        image, found = case.requester(load), load.found.path
        own = case.main.image.dyld_environment if case.main is not None and case.main.image is not None else ()
        embedded = any(text.startswith(names) for text in own)
        by = "LC_DYLD_ENVIRONMENT of the executable" if embedded else " or ".join(names)
        message = f"{case.who(load)} gets {printable(load.dylib.name)} from {printable(found)} because of {by}"
        # A run path serves only who asks for @rpath, and dyld puts the whole of what follows behind it.
        tail = load.dylib.name.removeprefix("@rpath")
        if tail != load.dylib.name and found.endswith(tail):
            remedy = add_run_path(found.removesuffix(tail) or "/", image.path, image.image)
        else:
            remedy = change(load.dylib.name, found, image.path)
        severity = Severity.INFO if embedded else Severity.WARNING
        yield load_draft(RULE.id, severity, case, load, message, () if embedded else remedy, found=found)
