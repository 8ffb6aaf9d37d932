"""MC211, MC216 and MC219: what is odd about a library of the OS that the release has.

MC219 is about files, too: dyld compares compatibility versions on macOS 11, and there only of libraries for macOS
before 10.14.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machochain.dyld.facts import enforces_compatibility
from machochain.dyld.profile import may_meet_dyld2, profile_for
from machochain.findings.draft import Case, Draft, ReleaseCase
from machochain.findings.osfacts import OSFacts, oldest_release
from machochain.findings.osloads import is_openssl, is_private
from machochain.findings.registry import of_release, of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.image import LinkedDylib
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, LoadedImage, Severity
from machochain.model.shell import quoted
from machochain.model.version import Version
from machochain.world.system.facts import LibraryFacts

UMBRELLA: Final = register(
    Rule(
        "MC211",
        "part-of-umbrella",
        "A part of an umbrella framework is loaded directly",
        Severity.WARNING,
        "The library belongs to an umbrella (`/usr/lib/system/…` to libSystem, sub-frameworks to their parent), or "
        "names "
        "the clients that may link with it, and this image is none of them.",
        "dyld does not mind, but Apple's linker refuses to link so, and where the part lies may change.",
        ("Link with the umbrella.",),
        milder="info for a weak load",
        references=("ld64, src/ld/InputFiles.cpp, checkDylibClientRestrictions()", "EOSIO/eos#352"),
    )
)

MOVED: Final = register(
    Rule(
        "MC216",
        "moved-install-name",
        "A library of the OS is loaded by an old name",
        Severity.INFO,
        "The library moved; linkers still record the old name for old deployment targets, and macOS keeps it.",
        "It works. Whoever looks for the library in a current SDK does not find it under this name.",
        ("Nothing; or link again with a newer deployment target.",),
        references=("ld64, src/ld/parsers/generic_dylib_file.cpp: $ld$previous, $ld$install_name",),
    )
)

COMPATIBILITY: Final = register(
    Rule(
        "MC219",
        "compatibility-version",
        "A library is older than the one that was linked with",
        Severity.WARNING,
        "The compatibility version that a load command records is higher than that of the library which is found.",
        "macOS 12 and newer never look. macOS 11 ends the process if the library was built for macOS before 10.14 "
        "(MC109).",
        ("Ship the library the image was linked with, or link again.",),
        milder="info unless macOS 11 would refuse it and the program supports that",
        references=("dyld-852.2, dyld3/MachOFile.cpp, enforceCompatVersion()",),
    )
)

_ANY: Final = 0xFFFFFFFF
"""A recorded compatibility version that fits every library."""


@of_release
def check(case: ReleaseCase) -> Iterator[Draft]:
    """Yield what is odd about the libraries of the OS an image loads."""
    facts = case.facts.os
    for dylib in case.of_system:
        name = dylib.name
        if facts is None or facts.present(name, case.macos) is None or is_private(name) or is_openssl(name):
            continue
        known = facts.library(name)
        if known is not None:
            yield from _umbrella(case.image, dylib, known)
            yield from _moved(case.image, dylib, known)
            yield from _recorded(case, dylib, known, facts)


def _umbrella(image: LoadedImage, dylib: LinkedDylib, known: LibraryFacts) -> Iterator[Draft]:
    details = known.details[-1][1] if known.details else {}
    umbrella, clients = details.get("umbrella", []), details.get("clients", [])
    if not (umbrella or clients) or _allowed(image, umbrella, clients):
        return
    into = f"part of {', '.join(umbrella)}" if umbrella else f"meant for {', '.join(clients)} only"
    yield Draft(
        UMBRELLA.id, Severity.INFO if dylib.weak else Severity.WARNING, image.path, dylib.command_index, dylib.name,
        f"{printable(leaf(image.path))} loads {printable(dylib.name)}, which is {into}: Apple's linker refuses to "
        "link with it",
        {"umbrella": umbrella, "clients": clients, "sdk": known.details[-1][0]},
        (advice(f"link with {quoted(umbrella[0])} instead" if umbrella else "use a public library"),),
    )  # fmt: skip


def _allowed(image: LoadedImage, umbrella: list[str], clients: list[str]) -> bool:
    """Whether ld64 lets an image link with a part of an umbrella (InputFiles.cpp, checkDylibClientRestrictions())."""
    header = image.image
    name = leaf((header.install_name if header is not None else None) or image.path)
    name = re.split(r"[._]", name.removeprefix("lib"))[0] if name.startswith("lib") else name
    return name in clients or name in umbrella


def _moved(image: LoadedImage, dylib: LinkedDylib, known: LibraryFacts) -> Iterator[Draft]:
    if known.legacy:
        yield Draft(
            MOVED.id, Severity.INFO, image.path, dylib.command_index, dylib.name,
            f"{printable(leaf(image.path))} loads {printable(dylib.name)}, an old name that macOS keeps for older "
            "programs",
            {"known_since": str(known.legacy[0][0]), "why": known.legacy[0][1], "sdks": list(known.sdks)},
            (advice("nothing, as long as it must run on releases that know no other name; else link again"),),
        )  # fmt: skip


def _recorded(case: ReleaseCase, dylib: LinkedDylib, known: LibraryFacts, facts: OSFacts) -> Iterator[Draft]:
    need = dylib.compatibility_version
    have = facts.compatibility(known.path, case.macos)
    if have is None or need.packed == _ANY or need <= have[1]:
        return
    yield Draft(
        COMPATIBILITY.id, Severity.INFO, case.image.path, dylib.command_index, dylib.name,
        f"{printable(leaf(case.image.path))} asks for version {need} of {printable(leaf(dylib.name))}, "
        f"that of SDK {have[0]} is {have[1]}: no macOS that is modelled minds",
        {"need": need.full, "have": have[1].full, "sdk": have[0]}, (advice("nothing"),), Confidence.LIKELY,
    )  # fmt: skip


@of_walk
def of_files(case: Case) -> Iterator[Draft]:
    """Yield the files that are older than the libraries that were linked with."""
    if profile_for(case.result.macos).classic:
        return  # a library that is refused is told as MC109
    oldest = oldest_release(case.subject.image) if case.subject.image is not None else None
    told = set()
    for load in case.result.loads:
        provider = case.result.images[load.to] if load.to is not None else None
        if provider is None or provider.image is None or load.inserted:
            continue
        need, have = load.dylib.compatibility_version, provider.image.id_compatibility_version or Version.of(0)
        if need.packed == _ANY or need <= have or (load.source, load.dylib.ordinal) in told:
            continue
        told.add((load.source, load.dylib.ordinal))
        fatal = enforces_compatibility(provider.image) and oldest is not None and may_meet_dyld2(oldest)
        outlook = "macOS 11 refuses it" if fatal else "no macOS that is modelled minds"
        yield Draft(
            COMPATIBILITY.id, Severity.WARNING if fatal else Severity.INFO, case.requester(load).path,
            load.dylib.command_index, load.dylib.name,
            f"{case.who(load)} asks for version {need} of {printable(leaf(provider.path))}, which has {have}: "
            f"{outlook}",
            {"need": need.full, "have": have.full, "provider": provider.path},
            (advice("ship the library it was linked with, or link again"),),
        )  # fmt: skip
