"""What is known of a load of a library of the OS that is not known to be there."""

from __future__ import annotations

import re
from typing import Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import Case
from machochain.findings.osfacts import OSFacts, macos_build
from machochain.model.filesystem import Presence
from machochain.model.image import Image
from machochain.model.ospaths import IOS_SUPPORT
from machochain.model.result import Load
from machochain.model.version import Version

_ABORTING: Final = frozenset({"/usr/lib/libcrypto.dylib", "/usr/lib/libssl.dylib"})
_OPENSSL_START: Final = ("/usr/lib/libssl.", "/usr/lib/libcrypto.")
_OPENSSL: Final = r"/usr/lib/lib(?:ssl|crypto)\.(?:[0-9][0-9.]*\.)?dylib"
_PRIVATE: Final = "/PrivateFrameworks/"
SWIFT: Final = "/usr/lib/swift/"
"""Where the OS has the libraries of Swift."""


def is_unknown_to_every_sdk(case: Case, load: Load) -> bool:
    """Whether a load names a system path that no release is known to have, or known to lack."""
    if case.facts.find_system is None or not might_be_in_shared_cache(load.dylib.name):
        return False
    names = [load.dylib.name]
    if case.for_catalyst:
        names.append(IOS_SUPPORT + load.dylib.name.removeprefix("/"))
    return all(a.presence is Presence.UNSEEN for name in names for a in case.facts.find_system(name))


def told_elsewhere(case: Case, load: Load) -> bool:
    """Whether a rule of its own says why a library of the OS may not be there."""
    facts = case.facts.os
    name, image = load.dylib.name, case.requester(load).image
    if facts is None:
        return False
    if is_openssl(name):
        return True
    if is_private(name):
        return facts.library(name) is not None
    return image is not None and left_sdk(facts, name, image) is not None


def is_private(name: str) -> bool:
    """Whether a path leads into a private framework."""
    return _PRIVATE in name


def ends_processes(name: str) -> bool:
    """Whether it is an OpenSSL of the system whose initialiser ends the process."""
    return name in _ABORTING


def is_openssl(name: str) -> bool:
    """Whether it is an OpenSSL of the system."""
    return name.startswith(_OPENSSL_START) and re.fullmatch(_OPENSSL, name) is not None


def left_sdk(facts: OSFacts, name: str, header: Image) -> tuple[str, str] | None:
    """Return the last SDK with a library and the first without it, if the image was built with that or a newer one."""
    if is_private(name) or name.startswith(SWIFT):
        return None
    build = macos_build(header)
    if build is None or build.sdk is None:
        return None
    key = name, build.sdk
    if key not in facts.left:
        facts.left[key] = _left(facts, name, build.sdk)
    return facts.left[key]


def _left(facts: OSFacts, name: str, sdk: Version) -> tuple[str, str] | None:
    known = facts.library(name)
    if known is None or not known.sdks or known.legacy:
        return None
    places = {source.id: n for n, source in enumerate(facts.sources)}
    last = facts.sources[places[known.sdks[-1]]]
    gone = next((s for s in facts.sources[places[last.id] + 1 :] if s.low > last.high and s.covers(known.path)), None)
    if gone is None or gone.low > sdk:
        return None
    if known.observed is not None and known.observed[1] > last.high:
        return None
    return last.id, gone.id
