"""Two recorded Macs, fact by fact: what differs, that which changes a search of the module first."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from machochain.machine.facts import MachineFacts
from machochain.model.value import frozen
from machochain.source.values import SourceReport

_KEYED: Final = ("CC", "CXX", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS", "CGO_ENABLED", "GOFLAGS")
_SEARCHED: Final = (
    "SDKROOT", "CPATH", "LIBRARY_PATH", "C_INCLUDE_PATH", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR",
    "PKG_CONFIG_SYSROOT_DIR", "DEVELOPER_DIR",
)  # fmt: skip


class Weight(Enum):
    """How much a difference matters; the first changes what is built."""

    WINNER = "changes what is found"
    KEYED = "is part of the cache key"
    UNKEYED = "changes builds, and the cache does not know of it"
    REST = "may matter"


@frozen
class Difference:
    """One fact that differs; None was not recorded, ``""`` is not set or not installed.

    Attributes:
        fact: Its name.
        old: There.
        new: Here.
        weight: How much it matters.
    """

    fact: str
    old: str | None
    new: str | None
    weight: Weight


def compare_machines(
    old: MachineFacts,
    new: MachineFacts,
    sources: tuple[SourceReport, SourceReport] | None = None,
) -> tuple[Difference, ...]:
    """Return what differs, the weightiest first; with the module as it is searched on both, its winners too."""
    found = list(_differences(old, new))
    if sources is not None:
        found += _winners(*sources)
    order = list(Weight)
    return tuple(sorted(found, key=lambda d: order.index(d.weight)))


def _differences(old: MachineFacts, new: MachineFacts) -> Iterator[Difference]:
    def one(fact: str, a: object, b: object, weight: Weight) -> Iterator[Difference]:
        if a != b:
            yield Difference(fact, None if a is None else str(a), None if b is None else str(b), weight)

    yield from one("macOS", old.macos, new.macos, Weight.REST)
    yield from one("processor", old.arch, new.arch, Weight.WINNER)
    yield from one("Rosetta", old.translated, new.translated, Weight.WINNER)
    yield from one("developer directory", old.developer_dir, new.developer_dir, Weight.WINNER)
    yield from one("Xcode", old.xcode, new.xcode, Weight.UNKEYED)
    yield from one("Command Line Tools", old.clt, new.clt, Weight.UNKEYED)
    yield from one("SDK", old.sdk, new.sdk, Weight.WINNER)
    yield from one("SDK version", old.sdk_version, new.sdk_version, Weight.WINNER)
    yield from one("SDK with --sdk macosx", old.sdk_macosx, new.sdk_macosx, Weight.REST)
    yield from one("linker", old.ld, new.ld, Weight.UNKEYED)
    yield from one("compiler", old.cc, new.cc, Weight.KEYED)
    yield from one("compiler version", _first(old.cc_text), _first(new.cc_text), Weight.KEYED)
    yield from one("search mode", old.mode and old.mode.value, new.mode and new.mode.value, Weight.WINNER)
    yield from one(
        "header directories", _joined(old.header_directories), _joined(new.header_directories), Weight.WINNER
    )
    yield from one("Go", old.go, new.go, Weight.KEYED)
    yield from one("GOARCH", old.goarch, new.goarch, Weight.WINNER)
    yield from one("Homebrew", old.brew_prefix, new.brew_prefix, Weight.WINNER)
    yield from one("pkg-config", old.pkg_config, new.pkg_config, Weight.WINNER)
    yield from one("pkg-config path", _joined(old.pkg_config_path), _joined(new.pkg_config_path), Weight.WINNER)
    for names, weight in (
        (_SEARCHED, Weight.WINNER),
        (_KEYED, Weight.KEYED),
        (("MACOSX_DEPLOYMENT_TARGET",), Weight.UNKEYED),
    ):
        for name in names:
            yield from one(name, _variable(old, name), _variable(new, name), weight)
    if old.brew is not None and new.brew is not None:
        for name in sorted({*old.brew, *new.brew}):
            yield from one(f"brew {name}", old.brew.get(name, ""), new.brew.get(name, ""), Weight.REST)
    for name in ("ImageOS", "ImageVersion"):
        yield from one(name, _variable(old, name), _variable(new, name), Weight.REST)


def _variable(facts: MachineFacts, name: str) -> str | None:
    setting = facts.settings.get(name)
    if setting.origin.value != "default":
        return setting.value
    # PATH is always among variables that were recorded.
    return "" if facts.environment else None


def _first(text: str | None) -> str | None:
    return text.splitlines()[0] if text else text


def _joined(paths: tuple[str, ...] | None) -> str | None:
    return None if paths is None else ":".join(paths)


def _winners(old: SourceReport, new: SourceReport) -> Iterator[Difference]:
    def table(report: SourceReport) -> dict[tuple[str, str, str], str | None]:
        return {(s.target, s.kind.value, s.name): s.winner or s.outcome.value for s in report.searches}

    mine, theirs = table(old), table(new)
    for key in mine:
        if key in theirs and mine[key] != theirs[key]:
            yield Difference(f"{key[1]} {key[2]} ({key[0]})", mine[key], theirs[key], Weight.WINNER)
