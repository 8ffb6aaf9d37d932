"""What the rules about Go say beyond that they fire: Go's ways among remedies, evidence, floors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import machochain
from machochain.findings.rules.golang.build_host_minos import floor_of
from machochain.golang.flags import refused_ldflags
from machochain.model.image import FileType, HeaderFlag, Image
from machochain.model.result import Confidence, Severity
from machochain.model.version import Version
from machochain.world.placement import World
from tests.factory import Import, MachO
from tests.findings.cases import FOO
from tests.findings.golang_cases import alone, ar, archive, go_exe, internal, obj, package
from tests.findings.scenes import RPATH, Scene, exe, lib
from tests.golang.looking import opened


def remedy(scene: Scene, rule: str) -> tuple[str, ...]:
    (finding,) = scene.found(rule)
    return finding.remedy


@pytest.mark.parametrize(
    ("run_path", "rule", "way"),
    [
        ("$ORIGIN/../lib", "MC123", 'or CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build'),
        (
            "/usr/lib/x:@loader_path",
            "MC124",
            'or CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,/usr/lib/x -Wl,-rpath,@loader_path" go build',
        ),
    ],
)
def test_a_misspelt_run_path_of_a_go_program_has_gos_remedy(run_path: str, rule: str, way: str) -> None:
    tree = {"/app/lib/libfoo.dylib": lib()}
    go = Scene({"/app/bin/tool": go_exe(FOO, rpaths=[run_path, RPATH]), **tree})
    other = Scene({"/app/bin/tool": exe(FOO, rpaths=[run_path, RPATH]), **tree})

    assert way in remedy(go, rule)
    assert way not in remedy(other, rule)


@pytest.mark.parametrize("place", ["/Users/me/go/pkg/mod/example.org/x@v1.2.3/lib", "/private/tmp/go-build12/b001"])
def test_a_run_path_into_gos_folders_has_gos_remedy(place: str) -> None:
    ways = remedy(Scene({"/app/bin/tool": go_exe(FOO, rpaths=[place, RPATH]), "/app/lib/libfoo.dylib": lib()}), "MC402")

    assert any("${SRCDIR}" in way for way in ways)


def test_what_remedies_put_into_the_environment_is_refused_in_a_directive_and_the_rest_is_not() -> None:
    assert refused_ldflags(["-Wl,-rpath,@loader_path/../lib"])
    assert not refused_ldflags(["-Wl,-rpath,/opt/greet/lib"])


def test_a_bare_library_name_of_a_go_program_is_linked_again_by_go() -> None:
    ways = remedy(alone(go_exe("libfoo.dylib")), "MC101")

    assert ways[-1] == 'CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build -a'


def test_a_prediction_gives_gos_ways_although_there_is_no_program_yet() -> None:
    ways = remedy(archive(package()), "MC101")

    assert 'or CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build' in ways


def test_a_prediction_names_what_says_so_and_is_certain_only_where_cmd_go_recorded_it() -> None:
    (recorded,) = archive(package()).found("MC609")
    (looked_for,) = archive(package("greet-loader-rpath.a")).found("MC609")

    assert recorded.confidence is Confidence.CERTAIN
    assert ["@rpath/libgreet.1.dylib", 'cgo_import_dynamic _ _ "@rpath/libgreet.1.dylib"'] in recorded.evidence[
        "sources"
    ]
    assert looked_for.confidence is Confidence.LIKELY


def test_the_flags_a_static_library_has_lost_are_spelt_out() -> None:
    (finding,) = archive(ar(("a.o", obj("_compress", "_malloc")))).found("MC611")

    assert finding.subject == "-lz.1"  # this OS has no link libz.dylib
    assert finding.evidence["sources"] == [["/usr/lib/libz.1.dylib", "_compress"]]


def test_undefined_symbols_are_all_in_the_evidence() -> None:
    names = [f"_greet_{n}" for n in range(7)]
    (finding,) = archive(ar(("a.o", obj(*names)))).found("MC612")

    assert finding.message.endswith("_greet_4 and 2 more, which neither it nor the OS defines")
    assert finding.evidence["symbols"] == names


def test_members_above_the_others_are_named() -> None:
    data = ar(*((f"{n}.o", obj(minos="14.0")) for n in range(4)), ("old.o", obj(minos="11.0")))
    (finding,) = archive(data).found("MC613")

    assert "0.o, 1.o, 2.o and 1 more needs macOS 14.0, other members need 11.0" in finding.message


@pytest.mark.parametrize(
    ("make", "severity"), [(partial(internal, "go1.27.3"), Severity.INFO), (go_exe, Severity.WARNING)]
)
def test_the_flat_namespace_of_gos_own_linker_is_no_mistake_of_the_build(
    tmp_path: Path, make: Callable[..., bytes], severity: Severity
) -> None:
    flat = HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_PIE
    (tmp_path / "tool").write_bytes(make(flags=flat, imports=[Import("_malloc", -2)]))
    (result,) = machochain.resolve(tmp_path / "tool", world=World(root=tmp_path)).results

    (finding,) = [f for f in result.findings if f.rule == "MC223"]
    assert finding.severity is severity
    assert finding.remedy[0].startswith("nothing: the linker of Go") is (severity is Severity.INFO)


def _header(arch: str) -> Image:
    return opened(MachO(file_type=FileType.MH_EXECUTE, arch=arch).bytes())[0]


@pytest.mark.parametrize(
    ("release", "arch", "floor"),
    [
        ("go1.21.13", "x86_64", "10.13"),
        ("go1.22.10", "arm64", "11.0"),
        ("go1.23.9", "x86_64", "11.0"),
        ("go1.25.5", "arm64", "12.0"),
        ("go1.27.3", "arm64", "13.0"),
    ],
)
def test_floors_of_go_releases(release: str, arch: str, floor: str) -> None:
    assert floor_of(release, _header(arch)) == Version.parse(floor)


def test_of_other_releases_no_floor_is_known() -> None:
    assert floor_of("go1.20.1", _header("arm64")) is None
    assert floor_of(None, _header("arm64")) is None
