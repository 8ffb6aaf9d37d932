from __future__ import annotations

import pytest

from machochain.golang.marks import describe
from machochain.model.go import GoBinary, GoBuildInfo, GoLink, GoTraces
from machochain.model.image import FileType, HeaderFlag, Image
from tests.factory.macho import Load, MachO, Section
from tests.golang.looking import opened

INTERNAL = Load("/usr/lib/libSystem.B.dylib", current=0, compat=0, timestamp=0)
PURE = [("_runtime.main", True), ("__cgo_init", True), ("_runtime.iscgo", True)]
RUNTIME_CGO = [("_crosscall2", True), ("_x_cgo_init", True)]


def traces(**settings: str) -> GoTraces:
    named = tuple((key.replace("DASH", "-"), value) for key, value in settings.items())
    return GoTraces(build=GoBuildInfo(version="go1.27.3 X:a", settings=named), evidence=("build information",))


def image(**more: object) -> Image:
    return opened(MachO(**{"file_type": FileType.MH_EXECUTE, **more}).bytes())[0]  # type: ignore[arg-type]  # fields by name


def described(
    *, of: Image | None = None, found: GoTraces | None = None, symbols: list[tuple[str, bool]] | None = None
) -> GoBinary:
    binary = describe(of or image(), found or traces(), symbols or [])
    assert binary is not None
    return binary


@pytest.mark.parametrize(
    ("symbols", "settings", "cgo"),
    [
        (RUNTIME_CGO, {"CGO_ENABLED": "1"}, True),
        ([("__cgo_0123456789ab_Cfunc_add", True)], {}, True),
        ([("__cgoexp_0123456789ab_callback", True)], {}, True),
        (PURE, {"CGO_ENABLED": "1"}, False),
        ([], {"CGO_ENABLED": "0"}, False),
        ([], {"CGO_ENABLED": "1"}, None),
        ([("_crosscall2", True)], {"CGO_ENABLED": "1"}, None),
        ([("_crosscall2", False), ("_x_cgo_init", False)], {"CGO_ENABLED": "1"}, None),
        ([*PURE, ("_crosscall2", True)], {"CGO_ENABLED": "1"}, None),
    ],
)
def test_cgo_is_told_by_marks_that_prove_it(
    symbols: list[tuple[str, bool]], settings: dict[str, str], cgo: bool | None
) -> None:
    assert described(symbols=symbols, found=traces(**settings)).cgo is cgo


def test_c_functions_and_exports_are_named_once() -> None:
    binary = described(
        symbols=[
            ("__cgo_0123456789ab_Cfunc_add", True),
            ("__cgo_0123456789ab_C2func_open", True),
            ("__cgo_0123456789ab_Cfunc_add.cold.1", True),
            ("__cgo_0123456789ab_Cfunc_sub", False),
            ("__cgo_xyz_Cfunc_no", True),
            ("__cgoexp_0123456789ab_callback", True),
        ]
    )
    assert binary.c_functions == ("add", "open")
    assert binary.exports == ("callback",)
    assert "cgo: Go calls C: add, open" in binary.evidence


def test_zero_time_stamps_and_versions_mean_gos_own_linker() -> None:
    assert described(of=image(loads=[INTERNAL], libsystem=False)).link is GoLink.INTERNAL
    assert described(of=image()).link is GoLink.EXTERNAL
    assert described(of=image(loads=[INTERNAL, "@rpath/libx.dylib"], libsystem=False)).link is GoLink.EXTERNAL
    assert described(of=image(loads=[], libsystem=False)).link is None
    left = image(loads=[], libsystem=False, sections=[Section("__LLVM", "__asm", b"\0")])
    assert described(of=left).link is GoLink.EXTERNAL


def test_an_object_file_is_not_linked_at_all() -> None:
    binary = described(of=image(file_type=FileType.MH_OBJECT))
    assert (binary.link, binary.mode) == (None, "c-archive")


@pytest.mark.parametrize(
    ("of", "settings", "mode"),
    [
        ({}, {"DASHbuildmode": "exe"}, "pie"),
        ({"flags": HeaderFlag.MH_DYLDLINK}, {"DASHbuildmode": "exe"}, "exe"),
        ({"install_name": "libx.dylib", "file_type": FileType.MH_DYLIB}, {"DASHbuildmode": "c-shared"}, "c-shared"),
        ({"install_name": "a.out.so", "file_type": FileType.MH_DYLIB}, {"DASHbuildmode": "plugin"}, "plugin"),
        ({"install_name": "libx.dylib", "file_type": FileType.MH_DYLIB}, {}, "c-shared"),
        ({"install_name": "x", "file_type": FileType.MH_DYLIB, "flags": HeaderFlag.MH_DYLDLINK}, {}, "plugin"),
        ({"file_type": FileType.MH_CORE}, {}, None),
    ],
)
def test_the_build_mode_comes_from_the_file_first(
    of: dict[str, object], settings: dict[str, str], mode: str | None
) -> None:
    assert described(of=image(**of), found=traces(**settings)).mode == mode


def test_trimpath_hides_flags() -> None:
    trimmed = {"DASHtrimpath": "true"}
    assert described(found=traces(**trimmed, CGO_ENABLED="0")).hidden == ("-ldflags",)
    assert "CGO_LDFLAGS" in described(found=traces(**trimmed, CGO_ENABLED="1")).hidden
    assert described(found=traces(CGO_ENABLED="1")).hidden == ()


def test_what_is_not_go_is_none() -> None:
    assert describe(image(), GoTraces(), [("_main", True)]) is None


def test_symbols_alone_can_show_go() -> None:
    binary = describe(image(), GoTraces(), RUNTIME_CGO)
    assert binary is not None
    assert (binary.cgo, binary.version, binary.link) == (True, None, None)


def test_the_version_is_without_experiments() -> None:
    assert described().version == "go1.27.3"
