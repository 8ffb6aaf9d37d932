"""MC410: a library is linked that the policy does not allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import ProcessCase, of_binary
from machochain.findings.expectations import Expectations, matches
from machochain.findings.registry import of_audited, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, LoadedImage, Origin, Severity

RULE: Final = register(
    Rule(
        "MC410",
        "forbidden-library",
        "A library is linked that the policy does not allow",
        Severity.ERROR,
        "A load command matches `forbid-libraries`; or `allow-libraries` is given, and the library neither belongs to "
        "the OS, nor lies inside the input, nor matches one of the allowed patterns.",
        "What you ship depends on something you decided not to depend on.",
        (
            "Ship the library inside the input, link it statically, or do not link it.",
            "If it may be linked, add it to `allow-libraries`, or suppress the finding with a reason.",
        ),
    )
)


@of_audited
def check(case: ProcessCase) -> Iterator[Finding]:
    """Yield the loads of an input's files that are not allowed."""
    for load in case.result.loads:
        binary = case.binary(case.result.images[load.source])
        if binary is None:
            continue
        serving = case.result.images[load.to] if load.to is not None else None
        why = _forbidden(load.dylib.name, serving, case.asked(binary.path), case)
        if why is not None:
            yield of_binary(
                RULE, Severity.ERROR, binary, load.dylib.name,
                f"{printable(leaf(binary.place))} links {printable(load.dylib.name)}, which {why}",
                (advice("ship the library inside the input, link it statically, or do not link it"),),
                command=None if load.inserted else load.dylib.command_index, why=why,
                found=serving.path if serving is not None else None,
            )  # fmt: skip


def _forbidden(name: str, serving: LoadedImage | None, asked: Expectations, case: ProcessCase) -> str | None:
    if asked.forbid_libraries is None and asked.allow_libraries is None:
        return None
    inside = case.binary(serving) if serving is not None else None
    texts = case.names(name, serving)
    if asked.forbid_libraries is not None and any(matches(text, asked.forbid_libraries) for text in texts):
        return "matches forbid-libraries"
    if asked.allow_libraries is None or inside is not None:
        return None
    if (serving is not None and serving.origin is Origin.OS) or name.startswith(("/usr/lib/", "/System/")):
        return None
    if any(matches(text, asked.allow_libraries) for text in texts):
        return None
    return "is neither the system's, nor inside the input, nor among allow-libraries"
