"""MC210 to MC223: how an image and the SDKs fit together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from machochain.dyld.facts import enforces_compatibility, might_be_in_shared_cache
from machochain.findings.draft import Case, Draft
from machochain.findings.osfacts import OSFacts, macos_build, oldest_release, releases_from, spoken
from machochain.model.filesystem import Node, Presence
from machochain.model.image import HeaderFlag, Image, LinkedDylib
from machochain.model.ospaths import LIBSYSTEM
from machochain.model.paths import directory, leaf, printable
from machochain.model.result import Confidence, LoadedImage, Severity
from machochain.model.symbols import ORDINAL_FLAT
from machochain.model.version import Version
from machochain.world.system.facts import LibraryFacts

_ABORTING: Final = frozenset({"/usr/lib/libcrypto.dylib", "/usr/lib/libssl.dylib"})
_OPENSSL: Final = re.compile(r"/usr/lib/lib(?:ssl|crypto)\.[0-9][0-9.]*\.dylib")
_PRIVATE: Final = "/PrivateFrameworks/"
_SWIFT: Final = "/usr/lib/swift/"
_MACOS_12: Final = Version.of(12)
_ANY: Final = 0xFFFFFFFF
"""A recorded compatibility version that fits every library."""

Look = Callable[[str], Node]


def has_rule_of_its_own(facts: OSFacts, name: str, image: Image | None) -> bool:
    """Whether a library of the OS that is not known to be there is told about here, not as unknown (MC902)."""
    if name in _ABORTING or _OPENSSL.fullmatch(name):
        return True
    if _PRIVATE in name:
        return facts.library(name) is not None
    return image is not None and _left_sdk(facts, name, image) is not None


def static_rules(image: LoadedImage, facts: OSFacts) -> Iterator[Draft]:
    """Yield what is true of an image in every process on every release."""
    header = image.image
    if header is None:
        return
    for dylib in header.loads:
        if might_be_in_shared_cache(dylib.name):
            yield from _openssl(image, dylib)
    yield from _stamp(image, facts)
    yield from _platform(image)
    yield from _flat(image, facts)


def image_rules(image: LoadedImage, facts: OSFacts, macos: Version, look: Look | None) -> Iterator[Draft]:
    """Yield what is true of an image in every process on one release."""
    header = image.image
    if header is None:
        return
    for dylib in header.loads:
        name = dylib.name
        if might_be_in_shared_cache(name):
            yield from _private(image, dylib, facts, macos)
            yield from _gone(image, dylib, facts, macos)
            if facts.present(name, macos) is not None:
                yield from _served(image, dylib, facts, macos)
        if leaf(name).startswith("libswift"):
            yield from _swift(image, dylib, facts, macos, look)


def _weaker(dylib: LinkedDylib) -> Severity:
    return Severity.INFO if dylib.weak else Severity.WARNING


def _private(image: LoadedImage, dylib: LinkedDylib, facts: OSFacts, macos: Version) -> Iterator[Draft]:
    """MC210: a private framework, whether this release is known to have it or not."""
    if _PRIVATE not in dylib.name or facts.library(dylib.name) is None:
        return
    answer = facts.find(dylib.name, macos)
    if answer.presence is Presence.ABSENT:
        return
    yield Draft(
        "MC210", _weaker(dylib), image.path, dylib.command_index, dylib.name,
        f"{printable(leaf(image.path))} loads {printable(dylib.name)}, a private framework",
        {"present": answer.presence.value, "why": answer.why},
        ("use a public framework", "or open it with dlopen and do without it where it is not there"),
    )  # fmt: skip


def _served(image: LoadedImage, dylib: LinkedDylib, facts: OSFacts, macos: Version) -> Iterator[Draft]:
    """Rules about a library this release has."""
    who, what = printable(leaf(image.path)), printable(dylib.name)
    if _PRIVATE in dylib.name:
        return
    if dylib.name in _ABORTING or _OPENSSL.fullmatch(dylib.name):
        return
    known = facts.library(dylib.name)
    if known is None:
        return
    details = known.details[-1][1] if known.details else {}
    umbrella, clients = details.get("umbrella", []), details.get("clients", [])
    if (umbrella or clients) and not _allowed(image, umbrella, clients):
        into = f"part of {', '.join(umbrella)}" if umbrella else f"meant for {', '.join(clients)} only"
        yield Draft(
            "MC211", _weaker(dylib), image.path, dylib.command_index, dylib.name,
            f"{who} loads {what}, which is {into}: Apple's linker refuses to link with it",
            {"umbrella": umbrella, "clients": clients, "sdk": known.details[-1][0]},
            (f"link with {umbrella[0]} instead" if umbrella else "use a public library",),
        )  # fmt: skip
    if known.legacy:
        yield Draft(
            "MC216", Severity.INFO, image.path, dylib.command_index, dylib.name,
            f"{who} loads {what}, an old name that macOS keeps for older programs",
            {"known_since": str(known.legacy[0][0]), "why": known.legacy[0][1], "sdks": list(known.sdks)},
            ("nothing, as long as it must run on releases that know no other name; else link again",),
        )  # fmt: skip
    yield from _recorded(image, dylib, known, facts, macos)


def _allowed(image: LoadedImage, umbrella: list[str], clients: list[str]) -> bool:
    """Whether ld64 lets an image link with a part of an umbrella (InputFiles.cpp, checkDylibClientRestrictions())."""
    header = image.image
    name = leaf((header.install_name if header is not None else None) or image.path)
    name = re.split(r"[._]", name.removeprefix("lib"))[0] if name.startswith("lib") else name
    return name in clients or name in umbrella


def _recorded(
    image: LoadedImage, dylib: LinkedDylib, known: LibraryFacts, facts: OSFacts, macos: Version
) -> Iterator[Draft]:
    """MC219 for a library of the OS: an older one than was linked with."""
    need = dylib.compatibility_version
    have = facts.compatibility(known.path, macos)
    if have is None or need.packed == _ANY or need <= have[1]:
        return
    yield Draft(
        "MC219", Severity.INFO, image.path, dylib.command_index, dylib.name,
        f"{printable(leaf(image.path))} asks for version {need} of {printable(leaf(dylib.name))}, "
        f"that of SDK {have[0]} is {have[1]}: no macOS that is modelled minds",
        {"need": need.full, "have": have[1].full, "sdk": have[0]}, ("nothing",), Confidence.LIKELY,
    )  # fmt: skip


def compatibility(case: Case) -> Iterator[Draft]:
    """MC219 for files: dyld compares on macOS 11, and there only with libraries for macOS before 10.14."""
    if case.result.macos < _MACOS_12:
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
        fatal = enforces_compatibility(provider.image) and oldest is not None and oldest < _MACOS_12
        outlook = "macOS 11 refuses it" if fatal else "no macOS that is modelled minds"
        image = case.requester(load)
        yield Draft(
            "MC219", Severity.WARNING if fatal else Severity.INFO, image.path, load.dylib.command_index,
            load.dylib.name,
            f"{printable(leaf(image.path))} asks for version {need} of {printable(leaf(provider.path))}, which has "
            f"{have}: "
            f"{outlook}",
            {"need": need.full, "have": have.full, "provider": provider.path},
            ("ship the library it was linked with, or link again",),
        )  # fmt: skip


def _openssl(image: LoadedImage, dylib: LinkedDylib) -> Iterator[Draft]:
    """MC214 and MC215: OpenSSL of the system, which Apple left programs to without."""
    who, what = printable(leaf(image.path)), printable(dylib.name)
    remedy = ("ship a copy of OpenSSL, or use Security.framework and CommonCrypto",)
    if dylib.name in _ABORTING:
        yield Draft(
            "MC214", Severity.WARNING if dylib.weak else Severity.ERROR, image.path, dylib.command_index, dylib.name,
            f"{who} loads {what}: since macOS 10.15 that library ends every process that loads it", {}, remedy,
            Confidence.LIKELY,
        )  # fmt: skip
    elif _OPENSSL.fullmatch(dylib.name):
        yield Draft(
            "MC215", _weaker(dylib), image.path, dylib.command_index, dylib.name,
            f"{who} loads {what}: no SDK has had a stub of it since macOS 10.12, and a macOS may drop it", {}, remedy,
            Confidence.LIKELY,
        )  # fmt: skip


def _left_sdk(facts: OSFacts, name: str, header: Image) -> tuple[str, str] | None:
    """Return the last SDK with a library and the first without it, if the image was built with that or a newer one."""
    if _PRIVATE in name or name.startswith(_SWIFT):
        return None
    build, known = macos_build(header), facts.library(name)
    if build is None or build.sdk is None or known is None or not known.sdks or known.legacy:
        return None
    places = {source.id: n for n, source in enumerate(facts.sources)}
    last = facts.sources[places[known.sdks[-1]]]
    gone = next((s for s in facts.sources[places[last.id] + 1 :] if s.low > last.high and s.covers(known.path)), None)
    if gone is None or gone.low > build.sdk:
        return None
    if known.observed is not None and known.observed[1] > last.high:
        return None
    return last.id, gone.id


def _gone(image: LoadedImage, dylib: LinkedDylib, facts: OSFacts, macos: Version) -> Iterator[Draft]:
    """MC212 and MC213: what left the SDK, and what left the OS."""
    who, what = printable(leaf(image.path)), printable(dylib.name)
    header = image.image
    assert header is not None
    if dylib.name in _ABORTING or _OPENSSL.fullmatch(dylib.name):
        return
    if facts.present(dylib.name, macos) is not None:
        later = facts.absent_on(dylib.name, [r for r in releases_from(macos) if r > macos])
        if later:
            why = facts.find(dylib.name, later[0]).why
            yield Draft(
                "MC213", _weaker(dylib), image.path, dylib.command_index, dylib.name,
                f"{who} loads {what}, which is no longer part of macOS {later[0]}",
                {"gone_in": str(later[0]), "why": why},
                ("do without it, or ship a copy",), Confidence.LIKELY,
            )  # fmt: skip
            return
    if facts.find(dylib.name, macos).presence is Presence.ABSENT:
        return
    left = _left_sdk(facts, dylib.name, header)
    if left is not None:
        yield Draft(
            "MC212", _weaker(dylib), image.path, dylib.command_index, dylib.name,
            f"{who} loads {what}, which SDK {left[1]} no longer has; the OS may still have it",
            {"last_sdk": left[0], "first_sdk_without": left[1]}, ("do without it, or ship a copy",), Confidence.LIKELY,
        )  # fmt: skip


def _swift(
    image: LoadedImage, dylib: LinkedDylib, facts: OSFacts, macos: Version, look: Look | None
) -> Iterator[Draft]:
    """MC217: a Swift library that older releases lack, with no copy beside the image."""
    header = image.image
    assert header is not None
    name = leaf(dylib.name)
    oldest = oldest_release(header)
    if dylib.weak or oldest is None or facts.present(_SWIFT + name, macos) is None:
        return
    if dylib.name.startswith("@rpath/"):
        if _SWIFT.rstrip("/") not in {r.path.rstrip("/") for r in header.run_paths} or _has_copy(image, name, look):
            return
    elif dylib.name != _SWIFT + name:
        return
    releases = releases_from(oldest)
    broken = facts.absent_on(_SWIFT + name, releases)
    if not broken:
        return
    first = next((r for r in releases if r not in broken), macos)
    yield Draft(
        "MC217", Severity.WARNING, image.path, dylib.command_index, dylib.name,
        f"{printable(leaf(image.path))} is built for macOS {oldest} and newer, but {name} is not part of "
        f"{spoken(broken)} "
        "and no copy is shipped",
        {"minos": str(oldest), "broken_on": [str(r) for r in broken], "why": facts.find(_SWIFT + name, oldest).why},
        ("ship a copy: xcrun swift-stdlib-tool --copy, and put its folder behind /usr/lib/swift in the run paths",
         f"or raise the minimum version: MACOSX_DEPLOYMENT_TARGET={first}"),
        Confidence.LIKELY,
    )  # fmt: skip


def _has_copy(image: LoadedImage, name: str, look: Look | None) -> bool:
    """Whether a copy may lie in one of the image's other run paths."""
    header = image.image
    assert header is not None
    for run_path in header.run_paths:
        text = run_path.path.rstrip("/")
        if text == _SWIFT.rstrip("/"):
            continue
        if text.startswith("@loader_path"):
            text = directory(image.path) + text[12:]
        if not text.startswith("/") or look is None:
            return True  # only the process can tell
        if look(f"{text}/{name}").presence is not Presence.ABSENT:
            return True
    return False


def _stamp(image: LoadedImage, facts: OSFacts) -> Iterator[Draft]:
    """MC218: an sdk that is older than the libSystem that was linked with."""
    header = image.image
    assert header is not None
    build = macos_build(header)
    linked = next((d for d in header.loads if d.name in {LIBSYSTEM, "/usr/lib/libSystem.dylib"}), None)
    if build is None or build.sdk is None or linked is None:
        return
    older = max((s for s in facts.system_stamps() if s[2] < linked.current_version), default=None)
    if older is None or build.sdk >= older[0]:
        return
    yield Draft(
        "MC218", Severity.INFO, image.path, None, str(build.sdk),
        f"{printable(leaf(image.path))} says sdk {build.sdk}, but it was linked with libSystem "
        f"{linked.current_version}, "
        f"newer than that of SDK {older[1]} ({older[2]})",
        {"sdk": str(build.sdk), "libsystem": linked.current_version.full, "newer_than_sdk": older[1]},
        ("nothing: dyld goes by the sdk field. Know that headers of a newer SDK were used",), Confidence.LIKELY,
    )  # fmt: skip


def _platform(image: LoadedImage) -> Iterator[Draft]:
    """MC220: no word about the platform."""
    header = image.image
    assert header is not None
    if header.builds:
        return
    taken = "macOS 11.0" if header.arch.is_arm64 else "macOS 10.5"
    yield Draft(
        "MC220", Severity.INFO, image.path, None, image.path,
        f"{printable(leaf(image.path))} names no platform: dyld takes it for one built with and for {taken}",
        {"taken_for": taken}, ("link with a current linker: -platform_version macos MINOS SDK",),
    )  # fmt: skip


def _flat(image: LoadedImage, facts: OSFacts) -> Iterator[Draft]:
    """MC223: no two-level namespace.

    The flag alone changes little: dyld goes by the ordinal of each bind, and only dyld2 by MH_FORCE_FLAT of the main
    executable (dyld-852.2, ImageLoaderMachOCompressed.cpp, resolve()).
    """
    header = image.image
    assert header is not None
    forced = bool(header.flags & HeaderFlag.MH_FORCE_FLAT)
    if not header.loads or (header.flags & HeaderFlag.MH_TWOLEVEL and not forced):
        return
    loose = sum(entry.ordinal == ORDINAL_FLAT for entry in facts.imports(image))
    effect = (
        f"{loose} of its symbols may come from any image"
        if loose
        else "macOS 11 binds each of its symbols to any image"
        if forced
        else "each of its binds names a library all the same"
    )
    yield Draft(
        "MC223", Severity.WARNING if forced or loose else Severity.INFO, image.path, None, image.path,
        f"{printable(leaf(image.path))} has a flat namespace: {effect}",
        {"forced": forced, "flat_binds": loose}, ("link without -flat_namespace and -force_flat_namespace",),
    )  # fmt: skip


def given_sdks(case: Case) -> Iterator[Draft]:
    """MC221 and MC222: the SDKs the user named against the binary, and against themselves."""
    facts, header = case.facts.os, case.subject.image
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
            "MC221", Severity.INFO, case.subject.path, None, name,
            f"{printable(leaf(case.subject.path))} was built with sdk {stamp}, the {name} is "
            f"{'older' if older else 'newer'}: {effect}",
            {"sdk": str(stamp), "sysroots": [n for _, n in dated]}, (f"name an SDK {stamp.major}: --sdk DIR",),
        )  # fmt: skip
    for sdk in sdks:
        if sdk.poor:
            yield Draft(
                "MC222", Severity.INFO, case.subject.path, None, sdk.name,
                f"the {sdk.name} is incomplete: {sdk.defects[-1] if sdk.defects else 'libraries are missing'}",
                {"defects": list(sdk.defects)}, ("name a whole SDK: one that no tool copied without links",),
            )  # fmt: skip
