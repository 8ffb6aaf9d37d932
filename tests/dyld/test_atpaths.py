"""@executable_path, @loader_path and @rpath (dyld-1378, Loader.cpp; LoaderTests.mm of dyld-1066.8)."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.dyld.atpaths import expand_executable_path, expand_loader_path, join, resolve_variables
from machochain.dyld.config import HARDENED, RESTRICTED
from machochain.model.image import FileType
from machochain.model.paths import TargetPath
from machochain.model.search import SearchRule as R
from tests.dyld.processes import CRYPTEX as K
from tests.dyld.processes import DYLD4, image, process, request

NEW = tuple(x for x in DYLD4 if float(x) >= 13)


@pytest.mark.parametrize(
    ("main", "path", "result"),
    [
        # dyld-1066.8, testing/unit-tests/LoaderTests.mm
        ("/A/B/C", "@executable_path", "/A/B/"),
        ("/A/B/C", "@executable_path/", "/A/B/"),
        ("/A/B/C", "@executable_path/foo", "/A/B/foo"),
        ("/A/B/C", "@executable_path/../foo", "/A/foo"),
        ("/A/B/C/D", "@executable_path/../../foo", "/A/foo"),
        ("/A/B/C/D/E", "@executable_path/../../..", "/A"),
        # dyld-1378, Loader.cpp: expandAndNormalizeAtExecutablePath(): what the loop does beyond that
        ("/A/B/C", "@executable_path/../../foo", "/A/../foo"),
        ("/A/B", "@executable_path/../foo", "/A/../foo"),
        ("/A", "@executable_path/../foo", "/../foo"),
        ("/A/B/C", "@executable_path/lib/../foo", "/A/B/lib/../foo"),
        ("/A/B/C", "@executable_path/..foo", "/Afoo"),
        ("/A/B/C", "@executable_pathological/x", None),
        ("C", "@executable_path/x", None),
    ],
)
@pytest.mark.parametrize("macos", NEW)
def test_dots_behind_executable_path_are_folded(macos: str, main: str, path: str, result: str | None) -> None:
    assert expand_executable_path(path, config=process(macos, main_path=TargetPath(main))) == result


@pytest.mark.parametrize("macos", ["12", "12.3", "12.5"])
def test_before_macos_13_dots_are_kept(macos: str) -> None:
    # dyld-960, Loader.cpp: expandAtExecutablePath()
    config = process(macos)
    assert expand_executable_path("@executable_path/../foo", config=config) == "/A/B/../foo"
    assert expand_executable_path("@executable_path", config=config) == "/A/B/"


def test_executable_path_needs_a_process_and_permission() -> None:
    assert expand_executable_path("@executable_path/x", config=process(main_path=None)) is None
    assert expand_executable_path("@executable_path/x", config=process(security=RESTRICTED)) is None
    assert expand_executable_path("@executable_path/x", config=process(security=HARDENED)) == "/A/B/x"


@pytest.mark.parametrize(
    ("path", "result"),
    [
        # dyld-1378, Loader.cpp: expandAtLoaderPath(): joined, never simplified
        ("@loader_path/../lib/x", "/d/e/../lib/x"),
        ("@loader_path", "/d/e"),
        ("@loader_path/", "/d/e/"),
        ("@loader_pathX/x", None),
        ("@rpath/x", None),
    ],
)
@pytest.mark.parametrize("macos", DYLD4)
def test_loader_path_is_joined_as_it_stands(macos: str, path: str, result: str | None) -> None:
    owner = image("/d/e/lib.dylib", file_type=FileType.MH_DYLIB)
    assert expand_loader_path(path, owner, config=process(macos), in_run_path=False) == result


@pytest.mark.parametrize(
    ("file_type", "in_run_path", "allowed"),
    [
        # expandAtLoaderPath(): !allowAtPaths && fromLCRPATH && main executable
        (FileType.MH_EXECUTE, True, False),
        (FileType.MH_EXECUTE, False, True),
        (FileType.MH_DYLIB, True, True),
        (FileType.MH_DYLIB, False, True),
    ],
)
def test_only_run_paths_of_the_main_executable_lose_loader_path(
    file_type: int, in_run_path: bool, allowed: bool
) -> None:
    owner = image("/d/owner", file_type=file_type)
    found = expand_loader_path("@loader_path/x", owner, config=process(security=RESTRICTED), in_run_path=in_run_path)
    assert (found == "/d/x") is allowed


def resolved(
    path: str, *chain: Any, macos: str = "26", rule: R = R.RAW_PATH, asked: dict[str, Any] | None = None, **more: Any
) -> list[str]:
    found = resolve_variables(path, rule, request(path, *chain, **(asked or {})), process(macos, **more))
    return [c.path for c in found]


def test_run_paths_go_from_the_requester_outwards_each_relative_to_its_owner() -> None:
    # forEachResolvedAtPathVar(): rpathStack
    inner = image("/x/inner.dylib", "@loader_path/in", "/abs", number=2, file_type=FileType.MH_DYLIB)
    main = image("/A/B/C", "@loader_path/out", "@executable_path/../out", number=0)
    found = resolve_variables("@rpath/l", R.RAW_PATH, request("@rpath/l", inner, main), process())
    assert [(c.path, c.rule, c.image, c.run_path) for c in found] == [
        ("/x/in/l", R.RPATH, 2, 0),
        ("/abs/l", R.RPATH, 2, 1),
        (K + "/abs/l", R.RPATH, 2, 1),
        ("/A/B/out/l", R.RPATH, 0, 0),
        ("/A/out/l", R.RPATH, 0, 1),
    ]


@pytest.mark.parametrize(
    ("run_path", "result"),
    [
        # absolute: with the cryptex behind it, one slash removed (Utils::concatenatePaths())
        ("/abs", ["/abs/l", K + "/abs/l"]),
        ("/abs/", ["/abs/l", K + "/abs/l"]),
        ("/abs//", ["/abs//l", K + "/abs//l"]),
        ("/", ["/l", K + "/l"]),
        # relative to the working directory, expanded no further
        ("lib", ["lib/l"]),
        ("$ORIGIN", ["$ORIGIN/l"]),
        ("@rpath/lib", ["@rpath/lib/l"]),
        ("@executable_pathX", ["@executable_pathX/l"]),
        ("", ["/l"]),
    ],
)
def test_what_one_run_path_makes_of_a_name(run_path: str, result: list[str]) -> None:
    assert resolved("@rpath/l", image("/A/B/C", run_path)) == result


@pytest.mark.parametrize("macos", ["12", "12.5"])
def test_before_macos_13_absolute_run_paths_have_no_cryptex(macos: str) -> None:
    assert resolved("@rpath/l", image("/A/B/C", "/abs"), macos=macos) == ["/abs/l"]


@pytest.mark.parametrize("run_path", ["lib", "$ORIGIN", "@executable_path", "@loader_path"])
def test_a_restricted_program_ignores_its_relative_run_paths(run_path: str) -> None:
    # forEachResolvedAtPathVar(): <rdar://81909581>, only if security.allowAtPaths
    assert resolved("@rpath/l", image("/A/B/C", run_path), security=RESTRICTED) == []
    assert resolved("@rpath/l", image("/A/B/C", "/abs"), security=RESTRICTED) == ["/abs/l", K + "/abs/l"]


@pytest.mark.parametrize(
    ("path", "result"),
    [
        # loadInsertedLibraries(): insertedDylib
        ("@rpath/l", ["@rpath/l"]),
        ("@loader_path/l", []),
        ("@executable_path/l", ["/A/B/l"]),
        ("/abs/l", ["/abs/l"]),
        ("l", ["l"]),
    ],
)
def test_an_inserted_library_knows_only_executable_path(path: str, result: list[str]) -> None:
    assert resolved(path, image("/A/B/C", "/r"), asked={"inserted": True}) == result


@pytest.mark.parametrize("path", ["@bogus/x", "@rpath", "@rpathX/x", "@loader_pathX/x", "@"])
def test_an_unknown_variable_is_tried_nowhere(path: str) -> None:
    assert resolved(path, image("/A/B/C", "/r")) == []


@pytest.mark.parametrize(
    ("macos", "sdk", "path", "install_name", "retried"),
    [
        # forEachResolvedAtPathVar(): Malformed::loaderPathsAreReal, sdk before 13 (before 12 in dyld-940 to 960)
        ("26", "12.3", "/p/F.framework/Versions/A/F", "/p/F.framework/F", "/p/F.framework/x"),
        ("26", "13.0", "/p/F.framework/Versions/A/F", "/p/F.framework/F", None),
        ("12.3", "11.3", "/p/F.framework/Versions/A/F", "/p/F.framework/F", "/p/F.framework/x"),
        ("12.3", "12.0", "/p/F.framework/Versions/A/F", "/p/F.framework/F", None),
        # of the install name's leaf only the length counts
        ("26", "12.3", "/p/F.framework/Versions/A/F", "/p/F.framework/G", "/p/F.framework/x"),
        ("26", "12.3", "/p/F.framework/Versions/A/F", "/p/F.framework/GG", None),
        ("26", "12.3", "/p/F.framework/Versions/AB/F", "/p/F.framework/F", None),
        ("26", "12.3", "/p/F.framework/Versions/A/F", "F", None),
        ("26", "12.3", "/p/F.framework/F", "/p/F.framework/F", None),
    ],
)  # fmt: skip
def test_an_old_framework_may_use_loader_path_as_if_it_were_flat(
    macos: str, sdk: str, path: str, install_name: str, retried: str | None
) -> None:
    owner = image(path, file_type=FileType.MH_DYLIB, install_name=install_name, sdk=sdk)
    found = resolved("@loader_path/x", owner, macos=macos)
    assert found == [path.rpartition("/")[0] + "/x", *([retried] if retried else [])]


def test_join_drops_one_slash() -> None:
    assert [join(d, "/l") for d in ("/a", "/a/", "/a//", "")] == ["/a/l", "/a/l", "/a//l", "/l"]
