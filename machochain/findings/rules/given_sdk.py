"""MC221 and MC222: the SDKs the user named against the binary, and against themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.osfacts import macos_build
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity

OTHER_RELEASE: Final = register(
    Rule(
        "MC221",
        "sysroot-of-another-release",
        "The SDK that was named is not of the release the image was built with",
        Severity.INFO,
        "None of the `--sdk` folders has the major version of the image's sdk field.",
        "Libraries and symbols that are newer than the SDK count as unknown, not as missing.",
        ("Name an SDK of that release.",),
    )
)

POOR: Final = register(
    Rule(
        "MC222",
        "poor-sysroot",
        "The SDK that was named is incomplete",
        Severity.INFO,
        "Re-exports were stripped from its stubs, stubs cannot be read, or public libraries its macOS has are not in "
        "it.",
        "What it lacks counts as unknown, not as missing.",
        ("Name a whole SDK: one that was copied with its symbolic links.",),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield what is wrong with the SDKs."""
    facts, header, path = case.facts.os, case.subject.image, case.subject.path
    if facts is None or header is None:
        return
    sdks = facts.sdks()
    build = macos_build(header)
    stamp = build.sdk if build is not None else None
    dated = [(s.version, s.name) for s in sdks if s.version is not None]
    if stamp is not None and dated and all(version.major != stamp.major for version, _ in dated):
        version, name = min(dated, key=lambda item: abs(item[0].packed - stamp.packed))
        older = version < stamp
        effect = (
            "what is new since then counts as unknown" if older else "what was removed since then counts as unknown"
        )
        yield Draft(
            OTHER_RELEASE.id, Severity.INFO, path, None, name,
            f"{printable(leaf(path))} was built with sdk {stamp}, the {name} is "
            f"{'older' if older else 'newer'}: {effect}",
            {"sdk": str(stamp), "sysroots": [n for _, n in dated]},
            (advice(f"name an SDK {stamp.major}: --sdk DIR"),),
        )  # fmt: skip
    for sdk in sdks:
        if sdk.poor:
            yield Draft(
                POOR.id, Severity.INFO, path, None, sdk.name,
                f"the {sdk.name} is incomplete: {sdk.defects[-1] if sdk.defects else 'libraries are missing'}",
                {"defects": list(sdk.defects)}, (advice("name a whole SDK: one that no tool copied without links"),),
            )  # fmt: skip
