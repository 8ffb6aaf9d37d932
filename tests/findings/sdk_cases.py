"""For every rule about SDKs and symbols: processes that must trigger it, and near misses that must not.

The OS is what the embedded catalogue knows of it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from attrs import evolve, frozen

from machochain.dyld.config import ProcessConfig
from machochain.findings import Checker
from machochain.findings.osfacts import gather
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, resolve_node
from machochain.graph.symbol_tables import SymbolTables
from machochain.graph.symbols import check_symbols
from machochain.graph.walked import Walk
from machochain.model.image import HeaderFlag
from machochain.model.result import Result, Severity
from machochain.model.version import Version
from machochain.world.memory import MemoryFileSystem
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.facts import GivenSdk
from tests.factory import Export, Import, Load, load
from tests.findings.scenes import LIB, RPATH, TOOL, Scene, exe, lib, plugin

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
FOO: Final = "@rpath/libfoo.dylib"
_FRAMEWORKS: Final = "/System/Library/Frameworks"
TYPES: Final = f"{_FRAMEWORKS}/UniformTypeIdentifiers.framework/Versions/A/UniformTypeIdentifiers"
APPKIT: Final = f"{_FRAMEWORKS}/AppKit.framework/Versions/C/AppKit"
PYTHON: Final = f"{_FRAMEWORKS}/Python.framework/Versions/2.7/Python"
SKYLIGHT: Final = "/System/Library/PrivateFrameworks/SkyLight.framework/Versions/A/SkyLight"
KERNEL: Final = "/usr/lib/system/libsystem_kernel.dylib"
RUBY: Final = "/usr/lib/libruby.2.3.0.dylib"
CONCURRENCY: Final = "libswift_Concurrency.dylib"
SWIFT: Final = "/usr/lib/swift"
_FLAGS: Final = HeaderFlag.MH_NOUNDEFS | HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_PIE


@cache
def catalogue() -> EmbeddedCatalogue:
    return EmbeddedCatalogue()


@frozen
class SdkScene(Scene):
    """A scene whose symbols are checked, on a Mac whose OS is what the catalogue knows."""

    sdks: tuple[GivenSdk, ...] = ()

    def results(self, checker: Checker | None = None) -> list[Result]:
        system = catalogue()
        mac = Mac(MemoryFileSystem(self.tree, unseen=self.unseen, denied=self.denied), system)
        tables = SymbolTables(mac, system)
        own = Checker(os=evolve(gather(mac, tables, system), sdks=lambda: self.sdks))

        def symbols(result: Result, walked: Walk, config: ProcessConfig, mac: Mac) -> Result:
            return check_symbols(result, walked, config, tables)

        target = Target(macos=self.macos, **self.options)
        return list(resolve_node(mac, mac.look(self.at), self.at, target, stages=(symbols, own.stage)))


def _alone(*loads: Load | str, macos: str = "26", sdks: tuple[GivenSdk, ...] = (), **more: Any) -> SdkScene:
    return SdkScene({TOOL: exe(*loads, **more)}, macos=macos, sdks=sdks)


def _intel(*loads: Load | str, minos: str, **more: Any) -> SdkScene:
    return _alone(*loads, arch="x86_64", minos=minos, **more)


def _foo(library: bytes, *imports: Import, macos: str = "26", linked: Load | str = FOO, **more: Any) -> SdkScene:
    return SdkScene({TOOL: exe(linked, rpaths=[RPATH], imports=imports, **more), LIB: library}, macos=macos)


def _swift(*run_paths: str, minos: str = "11.0", weak: bool = False, copy: bool = False) -> SdkScene:
    tree = {TOOL: exe(load(f"@rpath/{CONCURRENCY}", weak=weak), rpaths=run_paths, minos=minos)}
    if copy:
        tree[f"/app/lib/{CONCURRENCY}"] = lib(f"@rpath/{CONCURRENCY}")
    return SdkScene(tree)


def _sdk(version: str, *, poor: bool = False) -> tuple[GivenSdk, ...]:
    return (GivenSdk(f"SDK {version}", Version.parse(version), ("its re-exports were removed",) if poor else (), poor),)


TRIGGERS: Final[dict[str, list[tuple[Scene, Severity]]]] = {
    "MC204": [(_intel(TYPES, minos="10.15"), WARNING)],
    "MC205": [
        (_foo(lib(), Import("_x")), ERROR),
        (_foo(lib(), Import("_x"), macos="11"), ERROR),
        (_foo(lib(), Import("_x"), fixups="chained"), ERROR),
        (_foo(lib(), Import("_x", 0)), ERROR),
        (_alone(imports=[Import("_no_such_function")]), ERROR),
        (_alone(load("/app/gone", weak=True), imports=[Import("_x")]), ERROR),
    ],
    "MC206": [
        (_alone(imports=[Import("_os_sync_wait_on_address")], macos="13.3"), ERROR),
        (_intel(minos="10.11", imports=[Import("_clock_getres")]), WARNING),
        (_intel(minos="10.11", imports=[Import("_clock_getres", lazy=True)]), WARNING),
        (_alone(minos="13.0", imports=[Import("_os_sync_wait_on_address")]), WARNING),
    ],
    "MC207": [
        (_alone(imports=[Import("_x", -2)]), ERROR),
        (_foo(lib(exports=["_y"]), Import("_x", -2), fixups="chained"), ERROR),
    ],
    "MC208": [
        (_foo(lib(), Import("_x", lazy=True)), WARNING),
        (_alone(imports=[Import("_x", -2, lazy=True)]), WARNING),
    ],
    "MC209": [(_alone(imports=[Import("__ZN1AC1Ev", -3)], fixups="chained"), ERROR)],
    "MC210": [
        (_alone(SKYLIGHT, macos="11.3"), WARNING),
        (_alone(SKYLIGHT), WARNING),
        (_alone(load(SKYLIGHT, weak=True)), INFO),
    ],
    "MC211": [(_alone(KERNEL), WARNING), (_alone(load(KERNEL, weak=True)), INFO)],
    "MC212": [(_alone(RUBY), WARNING), (_alone(load(RUBY, weak=True)), INFO)],
    "MC213": [(_alone(PYTHON, macos="12"), WARNING), (_alone(load(PYTHON, weak=True), macos="12"), INFO)],
    "MC214": [
        (_alone("/usr/lib/libcrypto.dylib"), ERROR),
        (_alone("/usr/lib/libssl.dylib", macos="12"), ERROR),
        (_alone(load("/usr/lib/libssl.dylib", weak=True)), WARNING),
    ],
    "MC215": [
        (_alone("/usr/lib/libcrypto.46.dylib"), WARNING),
        (_alone("/usr/lib/libssl.0.9.8.dylib"), WARNING),
        (_alone(load("/usr/lib/libssl.48.dylib", weak=True)), INFO),
    ],
    "MC216": [(_alone(f"{SWIFT}/libswiftAppKit.dylib"), INFO)],
    "MC217": [
        (_alone(f"{SWIFT}/{CONCURRENCY}", minos="11.0"), WARNING),
        (_swift(SWIFT), WARNING),
        (_swift(f"{SWIFT}/", "@loader_path/../lib"), WARNING),
    ],
    "MC218": [(_alone(sdk="11.0"), INFO)],
    "MC219": [
        (_foo(lib(), linked=load(FOO, compat="2.0.0")), INFO),
        (_foo(lib(minos="10.13"), linked=load(FOO, compat="2.0.0"), minos="11.0"), WARNING),
        (_alone(load("/usr/lib/libz.1.dylib", compat="9.0.0")), INFO),
    ],
    "MC220": [(_alone(build=False), INFO)],
    "MC221": [(_alone(sdks=_sdk("12.0")), INFO), (_alone(sdks=_sdk("26.4")), INFO)],
    "MC222": [(_alone(sdks=_sdk("15.5", poor=True)), INFO)],
    "MC223": [
        (_alone(flags=_FLAGS, imports=[Import("_malloc", -2)]), WARNING),
        (_alone(flags=_FLAGS, imports=[Import("_malloc", 1)]), INFO),
        (_alone(flags=_FLAGS | HeaderFlag.MH_TWOLEVEL | HeaderFlag.MH_FORCE_FLAT), WARNING),
    ],
}

NEAR_MISSES: Final[dict[str, list[Scene]]] = {
    "MC204": [
        _intel(TYPES, minos="11.0"),
        _intel(load(TYPES, weak=True), minos="10.15"),
        _alone(TYPES, minos="10.15"),
        _alone(PYTHON, macos="12"),
    ],
    "MC205": [
        _foo(lib(exports=["_x"]), Import("_x")),
        _foo(lib(), Import("_x", weak=True)),
        _foo(lib(), Import("_x", lazy=True)),
        _alone(load("/app/gone", weak=True), imports=[Import("_x", weak=True)]),
        _alone("/app/gone", imports=[Import("_x")]),
        _alone(imports=[Import("_malloc")]),
    ],
    "MC206": [
        _intel(minos="10.12", imports=[Import("_clock_getres")]),
        _intel(minos="10.11", imports=[Import("_clock_getres", weak=True)]),
        _alone(minos="10.11", imports=[Import("_clock_getres")]),
        _alone(minos="15.0", imports=[Import("_os_sync_wait_on_address")]),
        _alone(imports=[Import("_no_such_function")], minos="11.0"),
    ],
    "MC207": [
        _foo(lib(exports=["_x"]), Import("_x", -2)),
        _alone(imports=[Import("_malloc", -2)]),
        _alone(imports=[Import("_x", -2, weak=True)]),
        SdkScene({"/app/x.so": plugin(imports=[Import("_PyNone", -2)])}, at="/app/x.so"),
    ],
    "MC208": [_foo(lib(exports=["_x"]), Import("_x", lazy=True)), _foo(lib(), Import("_x"))],
    "MC209": [
        _foo(lib(exports=["_x"]), Import("_x", 1, coalesced=True)),
        _foo(
            lib(exports=[Export("_x", weak=True)], flags=_FLAGS | HeaderFlag.MH_TWOLEVEL | HeaderFlag.MH_WEAK_DEFINES),
            Import("_x", -3),
            fixups="chained",
        ),
    ],
    "MC210": [
        _alone(APPKIT),
        _alone("/System/Library/PrivateFrameworks/NoSuch.framework/Versions/A/NoSuch"),
    ],
    "MC211": [
        _alone(APPKIT, "/usr/lib/libobjc.A.dylib", "/usr/lib/libc++.1.dylib"),
        SdkScene({"/app/System": lib("/app/System", KERNEL)}, at="/app/System"),
    ],
    "MC212": [_alone(RUBY, sdk="10.13"), _alone(APPKIT), _alone("/usr/lib/libssl.0.9.8.dylib")],
    "MC213": [_alone(PYTHON), _alone(APPKIT, macos="12")],
    "MC214": [_alone("/usr/lib/libcrypto.46.dylib"), _foo(lib())],
    "MC215": [_alone("/usr/lib/libcrypto.dylib"), _alone("/usr/lib/libz.1.dylib")],
    "MC216": [_alone(f"{SWIFT}/libswiftCore.dylib"), _alone("/usr/lib/libcrypto.dylib")],
    "MC217": [
        _swift(SWIFT, minos="12.0"),
        _swift(SWIFT, weak=True),
        _swift(SWIFT, "@loader_path/../lib", copy=True),
        _swift(SWIFT, "@executable_path/../Frameworks"),
        _alone(f"{SWIFT}/libswiftCore.dylib", minos="11.0"),
    ],
    "MC218": [_alone(), _alone(sdk="26.0"), _alone(build=False)],
    "MC219": [
        _foo(lib(id_compat="2.0.0"), linked=load(FOO, compat="2.0.0")),
        _foo(lib(minos="10.13"), linked=load(FOO, compat="2.0.0"), macos="11"),
        _foo(lib(), linked=load(FOO, compat=0xFFFFFFFF)),
    ],
    "MC220": [_alone(), _alone(build="version_min", arch="x86_64", minos="10.13")],
    "MC221": [_alone(sdks=_sdk("15.5")), _alone(), _alone(sdks=(*_sdk("12.0"), *_sdk("15.1")))],
    "MC222": [_alone(sdks=_sdk("15.5"))],
    "MC223": [_alone(), _foo(lib())],
}

UNKNOWN_TRIGGERS: Final[list[tuple[Scene, Severity]]] = [
    (_alone(APPKIT, imports=[Import("_NSNoSuchFunction")]), INFO),
    (_alone(APPKIT, imports=[Import("_x", -2)]), INFO),
]
UNKNOWN_NEAR_MISSES: Final[list[Scene]] = [
    _alone(APPKIT, imports=[Import("_NSBeep")]),
    _alone(APPKIT, imports=[Import("_NSNoSuchFunction", weak=True)]),
    _alone("/app/gone", imports=[Import("_x")]),
]
