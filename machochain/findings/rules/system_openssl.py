"""MC214 and MC215: OpenSSL of the system, which Apple left programs to without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.osloads import ends_processes, is_openssl
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity

ABORTING: Final = register(
    Rule(
        "MC214",
        "unversioned-openssl",
        "The libcrypto or libssl of the system that ends processes",
        Severity.ERROR,
        "The image loads `/usr/lib/libcrypto.dylib` or `/usr/lib/libssl.dylib` by the name without a version.",
        "Since macOS 10.15 the library's initialiser ends the process: `Invalid dylib load. Clients should not load "
        "the "
        "unversioned libcrypto dylib as it does not have a stable ABI.`",
        ("Link with a copy of OpenSSL that is shipped, by its full path or `@rpath`.",),
        milder="warning for a weak load",
        references=("civetweb/civetweb#1147", "crystal-lang/crystal#12214", "saltstack/salt#64042"),
    )
)

VERSIONED: Final = register(
    Rule(
        "MC215",
        "system-openssl",
        "OpenSSL or LibreSSL of the system",
        Severity.WARNING,
        "The image loads a versioned libcrypto or libssl from `/usr/lib`.",
        "SDKs have had no stub of them since macOS 10.12; each macOS may drop the version.",
        ("Ship a copy of OpenSSL, or use Security.framework and CommonCrypto.",),
        milder="info for a weak load",
        references=("petertodd/python-bitcoinlib#240",),
    )
)

_REMEDY: Final = (advice("ship a copy of OpenSSL, or use Security.framework and CommonCrypto"),)


@of_file
def check(case: FileCase) -> Iterator[Draft]:
    """Yield the loads of an OpenSSL of the system."""
    path = case.image.path
    for dylib in case.of_system:
        if case.facts.os is None or not is_openssl(dylib.name):
            continue
        loads = f"{printable(leaf(path))} loads {printable(dylib.name)}"
        if ends_processes(dylib.name):
            rule, severity = ABORTING, Severity.WARNING if dylib.weak else Severity.ERROR
            message = f"{loads}: since macOS 10.15 that library ends every process that loads it"
        else:
            rule, severity = VERSIONED, Severity.INFO if dylib.weak else Severity.WARNING
            message = f"{loads}: no SDK has had a stub of it since macOS 10.12, and a macOS may drop it"
        yield Draft(
            rule.id, severity, path, dylib.command_index, dylib.name, message, {}, _REMEDY, Confidence.LIKELY
        )  # fmt: skip
