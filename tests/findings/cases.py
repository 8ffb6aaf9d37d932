"""For every rule: processes that must trigger it, and near misses that must not."""

from __future__ import annotations

from typing import Final

from machochain.macho import constants as c
from machochain.model.arch import CPU_ARM64, Arch
from machochain.model.image import HeaderFlag
from machochain.model.result import Severity
from tests.factory import Section, build_version, fat, load, raw_command, reexport
from tests.findings import golang_cases, kernel_cases, sdk_cases
from tests.findings.scenes import LIB, RPATH, TOOL, Scene, exe, lib, plugin, with_lib

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

FOO: Final = "@rpath/libfoo.dylib"
USES_FOO: Final = exe(FOO, rpaths=[RPATH])
I386: Final = Arch.named("i386")
BREW: Final = "/opt/homebrew/opt/foo/lib/libfoo.dylib"
_MAIN_FLAGS: Final = HeaderFlag.MH_NOUNDEFS | HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_TWOLEVEL | HeaderFlag.MH_PIE
_DATA_CONST: Final = Section("__DATA_CONST", "__const", bytes(8))
_TWO: Final = [Section("__A", "__a", bytes(8)), Section("__B", "__b", bytes(8))]
_UNKNOWN: Final = 0x99
_ODDLY_PLACED: Final = "/app/wrong architecture builds/foo.bundle"


def _two(first: str, second: str) -> Scene:
    tree = {
        f"/app/a/{first}": lib(f"/app/a/{first}"),
        f"/app/b/{second}": lib(f"/app/b/{second}"),
        TOOL: exe(f"/app/a/{first}", f"/app/b/{second}"),
    }
    return Scene(tree)


def _alone(program: bytes, **more: str) -> Scene:
    return Scene({TOOL: program}, **more)  # type: ignore[arg-type]


def _run_path(text: str) -> Scene:
    return Scene({TOOL: exe(FOO, rpaths=[text, RPATH]), LIB: lib(), "/app/share": None, "/app/empty": None})


TRIGGERS: Final[dict[str, list[tuple[Scene, Severity]]]] = {
    "MC101": [
        (_alone(exe(FOO)), ERROR),
        (_alone(exe(FOO), macos="11"), ERROR),
        (_alone(exe(BREW)), ERROR),
        (_alone(exe("/usr/lib/libgone.dylib")), ERROR),
        (_alone(exe("libfoo.dylib")), ERROR),
        (_alone(exe("@executable_path/libfoo.dylib")), ERROR),
    ],
    "MC102": [
        (_alone(exe(load(FOO, weak=True))), INFO),
        (with_lib(exe(load(FOO, weak=True), rpaths=[RPATH]), lib(arch="x86_64")), INFO),
    ],
    "MC103": [
        (with_lib(USES_FOO, lib(arch="x86_64")), ERROR),
        (with_lib(USES_FOO, lib(arch="x86_64"), macos="11"), ERROR),
        (with_lib(USES_FOO, fat([lib(arch="x86_64"), lib(arch=I386)])), ERROR),
        (
            Scene(
                {
                    TOOL: exe(FOO, rpaths=["@loader_path", RPATH]),
                    LIB: lib(),
                    "/app/bin/libfoo.dylib": lib(arch="x86_64"),
                }
            ),
            INFO,
        ),
    ],
    "MC104": [(with_lib(USES_FOO, lib(platform=2)), ERROR), (with_lib(USES_FOO, lib(platform=7), macos="12.5"), ERROR)],
    "MC105": [
        (with_lib(USES_FOO, plugin()), ERROR),
        (with_lib(USES_FOO, exe(), macos="11"), ERROR),
        # a folder's name says nothing about the file in it
        (Scene({TOOL: exe(_ODDLY_PLACED), _ODDLY_PLACED: plugin()}), ERROR),
    ],
    "MC106": [
        (with_lib(USES_FOO, b"version https://git-lfs.github.com/spec/v1\n" * 200), ERROR),
        (with_lib(USES_FOO, b"# stub\n" * 1000, macos="11"), ERROR),
        (with_lib(USES_FOO, b""), ERROR),
        (Scene({TOOL: USES_FOO, LIB: None}), ERROR),
    ],
    "MC107": [(Scene({TOOL: USES_FOO}, denied=(LIB,)), ERROR)],
    "MC108": [
        (with_lib(exe("@executable_path/../lib/libfoo.dylib", restrict=True)), ERROR),
        (with_lib(exe("@executable_path/../lib/libfoo.dylib", restrict=True), macos="11"), ERROR),
        (with_lib(exe("lib/libfoo.dylib"), options={"hardened": True, "cwd": "/app"}), ERROR),
        (with_lib(exe("lib/libfoo.dylib"), options={"hardened": True, "cwd": "/app"}, macos="11"), ERROR),
    ],
    "MC109": [(with_lib(exe(load(FOO, compat="2.0.0"), rpaths=[RPATH]), lib(minos="10.13"), macos="11"), ERROR)],
    "MC110": [
        (Scene({TOOL: exe("/old/libfoo.dylib", sdk="13.0"), "/usr/local/lib/libfoo.dylib": lib()}), WARNING),
    ],
    "MC111": [
        (with_lib(exe("/old/libfoo.dylib"), options={"environment": {"DYLD_LIBRARY_PATH": "/app/lib"}}), WARNING),
        (
            with_lib(exe("/old/libfoo.dylib"), options={"environment": {"DYLD_FALLBACK_LIBRARY_PATH": "/app/lib"}}),
            WARNING,
        ),
        (with_lib(exe("/old/libfoo.dylib", dyld_env=["DYLD_LIBRARY_PATH=@executable_path/../lib"])), INFO),
    ],
    "MC112": [
        (with_lib(exe("lib/libfoo.dylib"), options={"cwd": "/app"}), WARNING),
        (
            Scene(
                {TOOL: exe("@loader_path/libfoo.dylib", "libfoo.dylib"), "/app/bin/libfoo.dylib": lib("libfoo.dylib")}
            ),
            INFO,
        ),
    ],
    "MC113": [
        (with_lib(exe("@bogus/libfoo.dylib", sdk="13.0")), ERROR),
        (with_lib(exe("@bogus/libfoo.dylib"), macos="11"), ERROR),
        (with_lib(exe("@bogus/libfoo.dylib")), WARNING),
        (Scene({TOOL: exe("@bogus/libfoo.dylib", sdk="13.0"), "/usr/local/lib/libfoo.dylib": lib()}), WARNING),
    ],
    "MC114": [(Scene({TOOL: USES_FOO, "/app/lib/libFoo.dylib": lib()}), WARNING)],
    "MC115": [
        (_two("libfoo.dylib", "libfoo.dylib"), WARNING),
        (_two("libssl.1.1.dylib", "libssl.3.dylib"), WARNING),
        (
            Scene(
                {TOOL: exe("/app/libz.1.dylib", "/usr/lib/libz.1.dylib"), "/app/libz.1.dylib": lib("/app/libz.1.dylib")}
            ),
            INFO,
        ),
    ],
    "MC116": [
        (_alone(exe(), options={"environment": {"DYLD_INSERT_LIBRARIES": LIB}}), ERROR),  # type: ignore[arg-type]
    ],
    "MC120": [(_run_path("/app/share"), INFO), (_run_path("@executable_path/../share"), INFO)],
    "MC121": [(_run_path("/app/gone"), INFO), (_run_path("@loader_path/gone"), INFO)],
    "MC122": [(_run_path("lib"), WARNING), (_run_path("./lib"), WARNING)],
    "MC123": [(_run_path("$ORIGIN/../lib"), WARNING), (_run_path("${ORIGIN}"), WARNING)],
    "MC124": [(_run_path("/app/lib:/app/share"), WARNING)],
    "MC125": [(_run_path("@rpath/lib"), WARNING), (_run_path("@loader-path/lib"), WARNING)],
    "MC201": [(with_lib(USES_FOO, lib(minos="14.0")), WARNING)],
    "MC203": [
        (_alone(exe("/usr/lib/libmisspelt.dylib")), WARNING),
        (_alone(exe(load("/usr/lib/libmisspelt.dylib", weak=True))), INFO),
    ],
    **sdk_cases.TRIGGERS,
    "MC301": [
        (_alone(exe(uuid=None, sdk="26.0")), ERROR),
        (_alone(exe(uuid=None, sdk="26.0"), macos="15.4"), WARNING),
        (_alone(exe(uuid=None)), INFO),
        (with_lib(USES_FOO, lib(uuid=None)), ERROR),
        (with_lib(USES_FOO, lib(uuid=None), macos="15"), WARNING),
        (Scene({LIB: lib(uuid=None)}, at=LIB), ERROR),
    ],
    "MC302": [
        (with_lib(exe(FOO, rpaths=[RPATH, RPATH], sdk="26.0")), ERROR),
        (with_lib(exe(FOO, rpaths=[RPATH, RPATH])), INFO),
        (with_lib(USES_FOO, lib(rpaths=["/a", "/a"], sdk="15.4"), macos="15.5"), ERROR),
        (with_lib(USES_FOO, lib(rpaths=["@loader_path/incompatible architecture"] * 2, sdk="26.0")), ERROR),
        (with_lib(USES_FOO, lib(rpaths=["/a", "/a"], sdk="15.4")), WARNING),
    ],
    "MC303": [(with_lib(exe(FOO, reexport(FOO), rpaths=[RPATH], sdk="26.0")), ERROR)],
    "MC304": [(with_lib(USES_FOO, lib(libsystem=False, sdk="26.0")), ERROR)],
    "MC305": [
        (_alone(exe(sdk="26.0", tweak={"__TEXT": {"initprot": 7}})), ERROR),
        (_alone(exe(tweak={"__DATA": {"initprot": 1}})), INFO),
    ],
    "MC306": [(_alone(exe(sdk="26.0", sections=[_DATA_CONST], tweak={"__DATA_CONST": {"flags": 0}})), ERROR)],
    "MC307": [(_alone(exe(sdk="26.0", sections=_TWO, tweak={"__B": {"name": "__A"}})), ERROR)],
    "MC308": [
        (_alone(exe(extra=[raw_command(c.LC_REQ_DYLD | _UNKNOWN, b"")])), ERROR),
        (_alone(exe(extra=[raw_command(c.LC_REQ_DYLD | _UNKNOWN, b"")]), macos="15.4"), WARNING),
        (_alone(exe(tweak={"__DATA": {"maxprot": 0x43}}), macos="11"), ERROR),
        (with_lib(USES_FOO, lib(extra=[raw_command(c.LC_REQ_DYLD | _UNKNOWN, b"")])), ERROR),
        (with_lib(USES_FOO, lib(extra=[raw_command(c.LC_REQ_DYLD | _UNKNOWN, b"")]), macos="15"), WARNING),
    ],
    "MC309": [
        (with_lib(USES_FOO, fat([lib(), lib(arch="x86_64")])[:-1]), ERROR),
        (with_lib(USES_FOO, fat([lib(), lib(arch="x86_64")])[:-1], macos="14"), ERROR),
    ],
    "MC310": [(_alone(exe(flags=_MAIN_FLAGS | HeaderFlag.MH_DYLIB_IN_CACHE)), ERROR)],
    "MC401": [
        (Scene({TOOL: exe(BREW), BREW: lib(BREW)}), WARNING),
        (Scene({TOOL: exe(BREW)}, unseen=("/opt",)), WARNING),
        (_alone(exe(load(BREW, weak=True))), INFO),
    ],
    "MC402": [
        (_run_path("/Users/runner/work/x/lib"), WARNING),
        (_run_path("/opt/homebrew/Cellar/gcc@13/13.4.0/lib/gcc/13"), WARNING),
        (_run_path("/usr/local/lib"), INFO),
    ],
    "MC403": [(with_lib(USES_FOO, lib("/Users/me/build/libfoo.dylib")), INFO)],
    "MC501": [(_alone(exe(signed=False)), ERROR), (with_lib(USES_FOO, lib(signed=False)), ERROR)],
    "MC502": [(_alone(exe(arch=I386)), ERROR), (_alone(fat([exe(arch=I386), exe(arch="x86_64")])), INFO)],
    "MC503": [
        (_alone(exe(arch="arm64e")), WARNING),
        (_alone(exe(arch="arm64e"), macos="15"), ERROR),
        (_alone(exe(arch=Arch.of(CPU_ARM64, 0x81000002)), macos="15"), INFO),
    ],
    "MC504": [(_alone(exe(platform=7)), ERROR), (_alone(exe(platform=12)), ERROR)],
    "MC521": kernel_cases.TRIGGERS["MC521"],
    **golang_cases.TRIGGERS,
    **{rule: cases for rule, cases in kernel_cases.TRIGGERS.items() if rule > "MC8"},
    "MC901": [
        (Scene({TOOL: exe("/opt/x/libfoo.dylib")}, unseen=("/opt/x",)), INFO),
        (Scene({TOOL: exe(FOO, rpaths=["/opt/x", RPATH]), LIB: lib()}, unseen=("/opt/x",)), INFO),
    ],
    "MC902": [(_alone(exe("/usr/lib/libnew.dylib"), macos="12"), INFO)],
    "MC903": [
        (Scene({LIB: lib("/app/lib/libfoo.dylib", "@executable_path/libbar.dylib")}, at=LIB), INFO),
        (Scene({LIB: lib("/app/lib/libfoo.dylib", "@rpath/libbar.dylib")}, at=LIB), INFO),
    ],
    "MC904": [(_alone(exe(FOO), macos="13.3"), WARNING)],
    "MC905": sdk_cases.UNKNOWN_TRIGGERS,
}

NEAR_MISSES: Final[dict[str, list[Scene]]] = {
    "MC101": [
        with_lib(USES_FOO),
        _alone(exe(load(FOO, weak=True))),
        _alone(exe(FOO), macos="13.3"),
        with_lib(USES_FOO, lib(arch="x86_64")),
        Scene({TOOL: exe("/opt/x/libfoo.dylib")}, unseen=("/opt/x",)),
        _alone(exe("/usr/lib/libmisspelt.dylib")),
    ],
    "MC102": [with_lib(exe(load(FOO, weak=True), rpaths=[RPATH]))],
    "MC103": [with_lib(USES_FOO, fat([lib(arch="x86_64"), lib()])), with_lib(USES_FOO, lib(arch="arm64e"))],
    "MC104": [
        with_lib(USES_FOO, lib(build=[build_version(1, "12.0", "15.0"), build_version(6, "15.0", "18.0")])),
        with_lib(USES_FOO, lib(build=False)),
    ],
    "MC105": [with_lib(USES_FOO), Scene({"/app/x.so": plugin()}, at="/app/x.so")],
    "MC106": [
        Scene({TOOL: exe("@rpath/libfoo.txt", rpaths=[RPATH]), "/app/lib/libfoo.txt": lib("@rpath/libfoo.txt")}),
        _alone(USES_FOO, macos="11"),
    ],
    "MC107": [_alone(USES_FOO)],
    "MC108": [
        with_lib(exe("lib/libfoo.dylib"), options={"cwd": "/app"}),
        with_lib(USES_FOO, options={"hardened": True}),
    ],
    "MC109": [
        with_lib(exe(load(FOO, compat="2.0.0"), rpaths=[RPATH]), lib(minos="10.13"), macos="12"),
        with_lib(exe(load(FOO, compat="2.0.0"), rpaths=[RPATH]), lib(minos="10.14"), macos="11"),
    ],
    "MC110": [Scene({TOOL: exe("/usr/local/lib/libfoo.dylib", sdk="13.0"), "/usr/local/lib/libfoo.dylib": lib()})],
    "MC111": [with_lib(USES_FOO, options={"environment": {"DYLD_LIBRARY_PATH": "/app/empty"}})],
    "MC112": [with_lib(USES_FOO), with_lib(exe("@loader_path/../lib/libfoo.dylib"))],
    "MC113": [
        with_lib(exe("@executable_path/../lib/libfoo.dylib")),
        with_lib(exe("/app/@bogus/libfoo.dylib")),
        with_lib(exe(load("@bogus/libfoo.dylib", weak=True))),
    ],
    "MC114": [with_lib(USES_FOO), Scene({TOOL: USES_FOO, LIB: lib(), "/app/lib/libFoo2.dylib": lib()})],
    "MC115": [
        _two("libx264.dylib", "libx265.dylib"),
        _two("libpng16.dylib", "libpng15.dylib"),
        Scene(
            {
                TOOL: exe("/app/l/liba.dylib", "/app/lib/liba.dylib"),
                "/app/lib/liba.dylib": lib("/app/lib/liba.dylib"),
                "/app/l": "lib",
            }
        ),
    ],
    "MC116": [with_lib(exe(), options={"environment": {"DYLD_INSERT_LIBRARIES": LIB}})],
    "MC120": [
        with_lib(USES_FOO),
        Scene({TOOL: exe(FOO, rpaths=[RPATH, "/app/more"]), LIB: lib(), "/app/more/libfoo.dylib": lib()}),
        with_lib(exe(FOO, rpaths=[RPATH, "/usr/lib/swift"])),
        _run_path("/app/gone"),
        Scene({LIB: lib(rpaths=["@loader_path"])}, at=LIB),
        Scene({TOOL: USES_FOO, "/app/lib/README": b"libfoo belongs here"}),
    ],
    "MC121": [
        with_lib(USES_FOO),
        _run_path("/app/empty"),
        Scene({TOOL: exe(FOO, rpaths=[RPATH, "/opt/x"]), LIB: lib()}, unseen=("/opt",)),
        _run_path("/Users/me/lib"),
        Scene({LIB: lib(rpaths=["@executable_path/gone"])}, at=LIB),
    ],
    "MC122": [_run_path("@executable_path"), _run_path("$ORIGIN/lib")],
    "MC123": [_run_path("/app/ORIGIN")],
    "MC124": [_run_path("/app/share")],
    "MC125": [_run_path("@executable_path/../share"), _run_path("@loader_path")],
    "MC201": [
        with_lib(USES_FOO),
        with_lib(USES_FOO, lib(minos="11.0")),
        with_lib(USES_FOO, lib(build=False)),
        Scene({TOOL: exe(), "/app/x.so": plugin(minos="14.0")}, at="/app/x.so", options={"main": TOOL}),
    ],
    "MC203": [_alone(exe("/usr/lib/libz.1.dylib")), _alone(exe("/usr/lib/libnew.dylib"), macos="12")],
    **sdk_cases.NEAR_MISSES,
    "MC301": [_alone(exe(sdk="26.0")), with_lib(USES_FOO)],
    "MC302": [with_lib(exe(FOO, rpaths=[RPATH, RPATH + "/"], sdk="26.0"))],
    "MC303": [with_lib(exe(FOO, "@rpath/../lib/libfoo.dylib", rpaths=[RPATH], sdk="26.0"))],
    "MC304": [with_lib(USES_FOO, lib(sdk="26.0"))],
    "MC305": [_alone(exe(sdk="26.0"))],
    "MC306": [_alone(exe(sdk="26.0", sections=[_DATA_CONST]))],
    "MC307": [_alone(exe(sdk="26.0", sections=_TWO))],
    "MC308": [_alone(exe(extra=[raw_command(_UNKNOWN, b"")]))],
    "MC309": [
        with_lib(USES_FOO, fat([lib(), lib(arch="x86_64")])),
        with_lib(USES_FOO, fat([lib(arch="x86_64"), lib(arch=I386)])),
    ],
    "MC310": [_alone(exe(flags=_MAIN_FLAGS))],
    "MC401": [
        _alone(exe(BREW)),
        Scene({"/opt/homebrew/bin/tool": exe(BREW), BREW: lib(BREW)}, at="/opt/homebrew/bin/tool"),
        Scene({TOOL: exe("/app/lib/libfoo.dylib"), LIB: lib()}),
    ],
    "MC402": [
        _run_path("/app/share"),
        _run_path("/usr/lib/swift"),
        Scene(
            {"/opt/homebrew/bin/t": exe(BREW, rpaths=["/opt/homebrew/lib"]), BREW: lib(BREW)}, at="/opt/homebrew/bin/t"
        ),
    ],
    "MC403": [with_lib(USES_FOO, lib("/DLC/x/libfoo.dylib")), with_lib(USES_FOO)],
    "MC501": [_alone(exe()), _alone(exe(arch="x86_64", signed=False))],
    "MC502": [_alone(exe(arch="x86_64"))],
    "MC503": [_alone(exe()), with_lib(USES_FOO, lib(arch="arm64e"))],
    "MC504": [_alone(exe(platform=2)), with_lib(USES_FOO, lib(platform=7))],
    "MC521": kernel_cases.NEAR_MISSES["MC521"],
    **golang_cases.NEAR_MISSES,
    **{rule: cases for rule, cases in kernel_cases.NEAR_MISSES.items() if rule > "MC8"},
    "MC901": [_alone(exe("/opt/x/libfoo.dylib")), Scene({TOOL: USES_FOO, LIB: lib()}, unseen=("/opt/x",))],
    "MC902": [_alone(exe("/usr/lib/libnew.dylib")), _alone(exe("/usr/lib/libmisspelt.dylib"))],
    "MC903": [
        Scene(
            {
                LIB: lib(LIB, "@executable_path/libbar.dylib"),
                TOOL: exe(),
                "/app/bin/libbar.dylib": lib("/app/bin/libbar.dylib"),
            },
            at=LIB,
            options={"main": TOOL},
        ),
        Scene({LIB: lib(LIB, "@loader_path/libbar.dylib")}, at=LIB),
    ],
    "MC904": [_alone(exe(FOO), macos="14"), with_lib(USES_FOO, macos="13.3")],
    "MC905": sdk_cases.UNKNOWN_NEAR_MISSES,
}
