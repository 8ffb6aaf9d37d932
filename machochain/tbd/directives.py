"""The ``$ld$`` symbols of stubs: instructions to the static linker (ld64, ``parsers/generic_dylib_file.cpp``).

dyld gives them no meaning; whoever compares a binary with a stub needs them, because they decide which install name and
which symbols a linker used for a given deployment target.
"""

from __future__ import annotations

import re
from typing import Final

from machochain.model.errors import UsageError
from machochain.model.stub import Directive
from machochain.model.version import Version

PREFIX: Final = "$ld$"

# ld64 compares the condition with the text "os<major>.<minor>" of the deployment target: no other spelling matches.
_CONDITION = re.compile(r"os(0|[1-9]\d*)\.(0|[1-9]\d*)")
_CONDITIONAL: Final = frozenset({"hide", "add", "weak", "install_name", "compatibility_version"})


def is_directive(symbol: str) -> bool:
    """Whether a symbol name is an instruction to the linker, never an export."""
    return symbol.startswith(PREFIX)


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except UsageError:
        return None


def parse_directive(symbol: str) -> Directive | None:
    """Read one ``$ld$`` symbol.

    ``$ld$<action>$os<major>.<minor>$<subject>`` holds for exactly that deployment target;
    ``$ld$previous$<install name>$<compat>$<platform>$<start>$<end>$<symbol>$`` for ``start <= target < end``.

    Returns:
        The directive; None for a text that is none, or that no linker would obey.
    """
    if not is_directive(symbol):
        return None
    action, _, rest = symbol[len(PREFIX) :].partition("$")
    if action == "previous":
        return _previous(symbol, rest)
    condition, separator, subject = rest.partition("$")
    match = _CONDITION.fullmatch(condition)
    os = _version(condition.removeprefix("os")) if match else None
    if action not in _CONDITIONAL or not separator or not subject or os is None:
        return None
    if action == "install_name":
        # ld64: ApplicationServices never had the compatibility version of the frameworks that moved out of it.
        umbrella = "/System/Library/Frameworks/ApplicationServices.framework/Versions/A/ApplicationServices"
        compat = Version.of(1) if subject == umbrella else None
        return Directive(action, os=os, install_name=subject, compat=compat, text=symbol)
    if action == "compatibility_version":
        compat = _version(subject)
        return Directive(action, os=os, compat=compat, text=symbol) if compat is not None else None
    return Directive(action, symbol=subject, os=os, text=symbol)


def _previous(symbol: str, rest: str) -> Directive | None:
    parts = rest.split("$", 5)
    if len(parts) != 6:
        return None
    install_name, compat, platform, start, end, name = parts
    first, last = _version(start), _version(end)
    # The symbol ends at the last dollar sign: names may hold some themselves.
    subject, closing, _ = name.rpartition("$")
    if not install_name or not platform.isascii() or not platform.isdecimal() or len(platform) > 9:
        return None
    if first is None or last is None or not closing:
        return None
    return Directive(
        "previous",
        symbol=subject,
        install_name=install_name,
        compat=_version(compat) if compat else None,
        platform=int(platform),
        start=first,
        end=last,
        text=symbol,
    )
