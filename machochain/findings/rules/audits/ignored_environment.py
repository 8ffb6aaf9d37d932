"""MC522: a hardened program ignores the DYLD_ variables it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import ProcessCase, of_binary
from machochain.findings.registry import of_audited, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity

RULE: Final = register(
    Rule(
        "MC522",
        "ignored-environment",
        "A hardened program ignores the DYLD_ variables it is given",
        Severity.WARNING,
        "The process is given DYLD_ variables, but it has the hardened runtime without the entitlement "
        "`com.apple.security.cs.allow-dyld-environment-variables`.",
        "dyld takes no notice of the variables: libraries they should supply come from elsewhere or are missing.",
        (
            "Add a run path instead: `install_name_tool -add_rpath DIRECTORY FILE`.",
            "Or sign with the entitlement `com.apple.security.cs.allow-dyld-environment-variables`.",
        ),
        references=("dyld-1378, dyld/DyldProcessConfig.cpp, Security::pruneEnvVars()",),
    )
)


@of_audited
def check(case: ProcessCase) -> Iterator[Finding]:
    """Yield a hardened program that is given variables."""
    variables = sorted(name for name in case.environment if name.startswith("DYLD_"))
    main = case.main
    if not variables or main is None or not case.result.hardened:
        return
    given = ", ".join(variables)
    yield of_binary(
        RULE, Severity.WARNING, main, given,
        f"{printable(leaf(main.place))} is hardened and takes no notice of {printable(given)}",
        (
            advice("add a run path to the folder of the libraries: install_name_tool -add_rpath"),
            advice("sign it with the entitlement com.apple.security.cs.allow-dyld-environment-variables", also=True),
        ),
        variables=variables,
    )  # fmt: skip
