"""Every rule of an audit fires where it must and keeps quiet where it must."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, frozen

from machochain.auditing import audit
from machochain.findings import RULES
from machochain.findings.bundles import parse_plist
from machochain.findings.wheels import wheel_tags
from machochain.graph.resolve import Target
from machochain.model.result import Severity
from machochain.model.signature import SignatureFlag
from machochain.model.version import Version
from tests.factory import fat, load
from tests.findings.audited import Tree, audited, found, plist, write_tree, zipped
from tests.findings.kinds import of_audits
from tests.findings.scenes import exe, lib, plugin

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
RUNTIME = int(SignatureFlag.RUNTIME)
FOO = "@rpath/libfoo.dylib"
NEAR = ["@loader_path/../lib"]
CMS = b"certificate"
TAG = "py3-none-macosx_11_0_arm64"
OMP = "@rpath/libomp.dylib"
BREWED = "/opt/homebrew/opt/libomp/lib"
NO_VALIDATION = plist(**{"com.apple.security.cs.disable-library-validation": True})


@frozen
class Release:
    """What is audited: the files of the input, and the policy."""

    tree: Tree
    policy: dict[str, Any] = Factory(dict)
    name: str = "dist"
    environment: dict[str, str] = Factory(dict)


def with_lib(program: bytes, library: bytes, **policy: Any) -> Release:
    return Release({"bin/tool": program, "lib/libfoo.dylib": library}, policy)


def tool(program: bytes, **policy: Any) -> Release:
    return Release({"bin/tool": program}, policy)


def app(info: dict[str, Any], *files: tuple[str, bytes]) -> Release:
    content = {f"Contents/{name}": data for name, data in files}
    return Release({"Contents/Info.plist": plist(**info), **content}, name="Tool.app")


def wheel(tag: str, *files: tuple[str, bytes], **policy: Any) -> Release:
    stated = f"Wheel-Version: 1.0\nTag: {tag}\n".encode()
    return Release({"pkg-1.dist-info/WHEEL": stated, **dict(files)}, policy, name="unpacked")


def changed(data: bytes) -> bytes:
    """Change a byte of code that a page hash covers."""
    at = 0x400
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def team(name: str | None, **more: Any) -> dict[str, Any]:
    return {"team_id": name, "cms": CMS if name else None, "cs_flags": 0 if name else 2, **more}


SIGNED = exe(FOO, rpaths=NEAR, **team("AAAA", cs_flags=RUNTIME))
DEBUGGED = plist(**{"com.apple.security.get-task-allow": True})

TRIGGERS: dict[str, list[tuple[Release, Severity]]] = {
    "MC231": [(tool(exe(minos="13.0"), minos={"max": "12.0"}), ERROR)],
    "MC232": [
        (tool(exe(minos="10.13"), minos={"min": "11"}), WARNING),
        (tool(exe(build=False), minos={"min": "11"}), WARNING),
    ],
    "MC233": [
        (tool(exe(sdk="13.0"), sdk={"min": "14"}), WARNING),
        (tool(exe(sdk="26.0"), sdk={"max": "15.9"}), WARNING),
        (tool(exe(sdk="0"), sdk={"min": "11"}), WARNING),
    ],
    "MC234": [
        (app({"LSMinimumSystemVersion": "11.0"}, ("MacOS/tool", exe(minos="12.0"))), WARNING),
        (
            app(
                {"LSMinimumSystemVersion": "13.0", "LSMinimumSystemVersionByArchitecture": {"arm64": "11.0"}},
                ("MacOS/tool", exe(minos="12.0")),
            ),
            WARNING,
        ),
        (app({"LSMinimumSystemVersion": "11.0"}, ("Frameworks/libfoo.dylib", lib(minos="12.0"))), WARNING),
    ],
    "MC235": [
        (wheel("cp312-cp312-macosx_11_0_arm64", ("pkg/a.so", plugin(minos="12.0"))), WARNING),
        (wheel("py3-none-macosx_10_9_universal2", ("pkg/a.so", plugin(arch="x86_64", minos="10.13"))), WARNING),
        (wheel("cp312-cp312-macosx_14_0_arm64", ("pkg/a.so", plugin(minos="14.4"))), INFO),
    ],
    "MC410": [
        (tool(exe("/usr/lib/libz.1.dylib"), **{"forbid-libraries": ["*/libz.*"]}), ERROR),
        (tool(exe("/opt/x/libx.dylib"), **{"allow-libraries": ["/opt/y/*"]}), ERROR),
        (with_lib(exe(FOO, rpaths=NEAR), lib(), **{"forbid-libraries": ["lib/*"]}), ERROR),
        (tool(exe(load("@rpath/libbar.dylib", weak=True)), **{"allow-libraries": []}), ERROR),
    ],
    "MC411": [
        (tool(exe(rpaths=["/opt/x"]), **{"forbid-run-paths": ["/opt/*"]}), ERROR),
        (tool(exe(rpaths=["@loader_path/..", "/opt/x"]), **{"allow-run-paths": ["@loader_path/*"]}), ERROR),
    ],
    "MC412": [(tool(exe(), **{"required-libraries": ["*/libz.*"]}), ERROR)],
    "MC413": [
        (wheel(TAG, ("pkg/libx.dylib", lib("@rpath/libx.dylib", OMP, rpaths=[BREWED]))), WARNING),
        (wheel(TAG, ("pkg/a.so", plugin(OMP))), WARNING),
        (
            wheel(
                TAG,
                ("pkg/a.so", plugin(OMP, rpaths=["@loader_path", BREWED])),
                ("pkg/libomp.dylib", lib(OMP, arch="x86_64")),
            ),
            WARNING,
        ),
    ],
    "MC414": [
        (
            wheel(
                TAG,
                ("pkg/a/b.so", plugin("@loader_path/../../../pkg.dylibs/libx.dylib")),
                ("pkg.dylibs/libx.dylib", lib("/DLC/libx.dylib")),
            ),
            WARNING,
        )
    ],
    "MC510": [(tool(exe(), archs=["arm64", "x86_64"]), ERROR)],
    "MC511": [
        (wheel("cp312-cp312-macosx_11_0_universal2", ("pkg/a.so", plugin())), WARNING),
        (wheel("cp312-cp312-macosx_11_0_arm64", ("pkg/a.so", plugin(arch="x86_64"))), WARNING),
        (wheel("cp312-cp312-macosx_11_0_universal2", ("pkg/liba_x86_64.dylib", lib(arch="x86_64"))), INFO),
    ],
    "MC512": [
        (
            app(
                {"CFBundleExecutable": "tool"},
                ("MacOS/tool", fat([exe(), exe(arch="x86_64")])),
                ("PlugIns/a.so", plugin()),
            ),
            WARNING,
        ),
    ],
    "MC513": [
        (app({"CFBundleExecutable": "gone"}, ("MacOS/tool", exe())), ERROR),
        (
            Release(
                {
                    "bin/tool": exe(),
                    "F.framework/Resources/Info.plist": plist(CFBundleExecutable="F"),
                    "F.framework/Other": lib(),
                }
            ),
            WARNING,
        ),
    ],
    "MC514": [
        (wheel("py3-none-any", ("pkg/a.so", plugin())), WARNING),
        (wheel("py3-none-any", ("pkg/data/tool", exe())), INFO),
    ],
    "MC520": [
        (tool(changed(exe())), ERROR),
        (tool(changed(exe(arch="x86_64"))), WARNING),
        (tool(changed(exe(arch="x86_64", cs_flags=RUNTIME))), ERROR),
        (tool(exe().replace(b"\xfa\xde\x0c\xc0", b"\0\0\0\0")), ERROR),
    ],
    "MC521": [
        (with_lib(SIGNED, lib(**team("BBBB"))), ERROR),
        (with_lib(SIGNED, lib()), ERROR),
        (with_lib(exe(load(FOO, weak=True), rpaths=NEAR, **team("AAAA", cs_flags=RUNTIME)), lib()), WARNING),
        (with_lib(exe(FOO, rpaths=NEAR, cs_flags=RUNTIME | 2), lib()), ERROR),
        (with_lib(exe(FOO, rpaths=NEAR, **team("AAAA", cs_flags=RUNTIME, entitlements=DEBUGGED)), lib()), WARNING),
    ],
    "MC522": [(Release({"tool": exe(cs_flags=RUNTIME | 2)}, environment={"DYLD_LIBRARY_PATH": "/opt/x"}), WARNING)],
}

NEAR_MISSES: dict[str, list[Release]] = {
    "MC231": [
        tool(exe(minos="12.0"), minos={"max": "12.0"}),
        tool(exe(build=False), minos={"max": "12.0"}),
        tool(exe(minos="13.0"), minos={"max": "12.0"}, override=[{"path": "bin/*", "minos": {"max": "13.0"}}]),
        Release({"a.so": plugin(platform=6, minos="17.0")}, {"minos": {"max": "12.0"}}),
    ],
    "MC232": [tool(exe(minos="11.0"), minos={"min": "11"})],
    "MC233": [tool(exe(sdk="14.0"), sdk={"min": "14", "max": "14.0"}), tool(exe(sdk="13.0"))],
    "MC234": [
        app({"LSMinimumSystemVersion": "12.0"}, ("MacOS/tool", exe(minos="12.0"))),
        # arm64 Macs begin with macOS 11, whatever the bundle says
        app({"LSMinimumSystemVersion": "10.13"}, ("MacOS/tool", exe(minos="11.0"))),
        app({}, ("MacOS/tool", exe(minos="15.0"))),
        app({"LSMinimumSystemVersion": "none"}, ("MacOS/tool", exe(minos="15.0"))),
        app(
            {"LSMinimumSystemVersion": "11.0", "LSMinimumSystemVersionByArchitecture": {"arm64": "12.0"}},
            ("MacOS/tool", exe(minos="12.0")),
        ),
        # a program in the program has a promise of its own
        app(
            {"LSMinimumSystemVersion": "11.0"},
            ("Helpers/H.app/Contents/Info.plist", plist(LSMinimumSystemVersion="13.0")),
            ("Helpers/H.app/Contents/MacOS/h", exe(minos="13.0")),
        ),
    ],
    "MC235": [
        wheel("cp312-cp312-macosx_11_0_arm64", ("pkg/a.so", plugin(minos="11.0"))),
        wheel("py3-none-macosx_10_9_universal2", ("pkg/a.so", plugin(minos="11.0"))),
        wheel("py3-none-any", ("pkg/a.so", plugin(minos="15.0"))),
        Release({"a.dist-info/WHEEL": b"Tag: a-b-macosx_11_0_arm64\n", "b.dist-info/WHEEL": b"", "a.so": plugin()}),
    ],
    "MC410": [
        tool(exe("/usr/lib/libz.1.dylib"), **{"allow-libraries": []}),
        with_lib(exe(FOO, rpaths=NEAR), lib(), **{"allow-libraries": []}),
        tool(exe("/opt/x/libx.dylib"), **{"allow-libraries": ["/opt/x/*"]}),
        tool(exe("/usr/lib/libz.1.dylib"), **{"forbid-libraries": ["libz.*"]}),
    ],
    "MC411": [
        tool(exe(rpaths=["@loader_path/.."]), **{"allow-run-paths": ["@loader_path/*"]}),
        tool(exe(rpaths=["/opt/x"]), **{"forbid-run-paths": ["/OPT/*"]}),
    ],
    "MC412": [
        tool(exe("/usr/lib/libz.1.dylib"), **{"required-libraries": ["*/libz.*"]}),
        # what is asked of programs is not asked of the libraries beside them
        Release({"tool": exe("/usr/lib/libz.1.dylib"), "a.so": plugin()}, {"required-libraries": ["*/libz.*"]}),
        # a library that another one brings along is there as well
        with_lib(exe(FOO, rpaths=NEAR), lib(FOO, "/usr/lib/libz.1.dylib"), **{"required-libraries": ["*/libz.*"]}),
    ],
    "MC413": [
        wheel(TAG, ("pkg/a.so", plugin(OMP)), **{"provided-libraries": ["*/libomp.dylib"]}),
        wheel(
            TAG,
            ("pkg/a.so", plugin(OMP, rpaths=["@loader_path"])),
            ("pkg/libomp.dylib", lib(OMP)),
        ),
        wheel(TAG, ("pkg/a.so", plugin(load(OMP, weak=True)))),
    ],
    "MC414": [
        wheel(
            TAG,
            ("pkg/a/b.so", plugin("@loader_path/../../pkg.dylibs/libx.dylib")),
            ("pkg.dylibs/libx.dylib", lib("/DLC/libx.dylib")),
        ),
        wheel(TAG, ("pkg/a.so", plugin("@loader_path/../../other.dylibs/liby.dylib"))),
    ],
    "MC510": [tool(fat([exe(), exe(arch="x86_64")]), archs=["arm64", "x86_64"])],
    "MC511": [
        wheel("cp312-cp312-macosx_11_0_universal2", ("pkg/a.so", fat([plugin(), plugin(arch="x86_64")]))),
        # a helper program may be there for one architecture only
        wheel("cp312-cp312-macosx_11_0_universal2", ("pkg/bin/tool", exe())),
    ],
    "MC512": [
        app({"CFBundleExecutable": "tool"}, ("MacOS/tool", exe()), ("PlugIns/a.so", plugin())),
        app({"CFBundleExecutable": "tool"}, ("MacOS/tool", exe()), ("PlugIns/a.so", plugin(arch="arm64e"))),
    ],
    "MC513": [
        app({"CFBundleExecutable": "tool"}, ("MacOS/tool", exe())),
        app({"CFBundleExecutable": "script"}, ("MacOS/script", b"#!/bin/sh\n"), ("MacOS/tool", exe())),
        app({}, ("MacOS/tool", exe())),
        app({"CFBundleExecutable": 7}, ("MacOS/tool", exe())),
        # a wheel keeps no links: the library of a framework is there under its version alone
        Release(
            {
                "F.framework/Resources/Info.plist": plist(CFBundleExecutable="F"),
                "F.framework/Versions/B/F": lib(),
            }
        ),
    ],
    "MC514": [
        wheel(TAG, ("pkg/a.so", plugin())),
        tool(exe()),
    ],
    "MC520": [tool(exe()), tool(exe(signed=False)), tool(exe(signed=False, arch="x86_64"))],
    "MC521": [
        with_lib(SIGNED, lib(**team("AAAA"))),
        with_lib(exe(FOO, rpaths=NEAR, **team("AAAA", cs_flags=RUNTIME, entitlements=NO_VALIDATION)), lib()),
        with_lib(exe(FOO, rpaths=NEAR, **team("AAAA")), lib(**team("BBBB"))),
    ],
    "MC522": [
        Release({"tool": exe(cs_flags=RUNTIME | 2)}, environment={"HOME": "/Users/me"}),
        Release({"tool": exe()}, environment={"DYLD_LIBRARY_PATH": "/opt/x"}),
        Release(
            {
                "tool": exe(
                    cs_flags=RUNTIME | 2,
                    entitlements=plist(**{"com.apple.security.cs.allow-dyld-environment-variables": True}),
                )
            },
            environment={"DYLD_LIBRARY_PATH": "/opt/x"},
        ),
    ],
}

FIRING = [pytest.param(r, x, s, id=f"{r}-{n}") for r, cases in TRIGGERS.items() for n, (x, s) in enumerate(cases)]
QUIET = [pytest.param(r, x, id=f"{r}-{n}") for r, cases in NEAR_MISSES.items() for n, x in enumerate(cases)]


def severities(release: Release, rule: str, tmp_path: Path) -> list[Severity]:
    from machochain.judging.policy_file import parse_policy

    folder = write_tree(tmp_path / release.name, release.tree)
    target = Target(macos=("26",), environment=release.environment)
    report = audit(folder, policy=parse_policy(release.policy, "policy.toml"), target=target)
    assert report.errors == ()
    assert report.results != ()
    return [f.severity for f in found(report, rule)]


def test_every_rule_of_an_audit_has_a_trigger_and_a_near_miss() -> None:
    assert list(TRIGGERS) == of_audits()
    assert list(NEAR_MISSES) == of_audits()


@pytest.mark.parametrize(("rule", "release", "severity"), FIRING)
def test_rule_fires_once(rule: str, release: Release, severity: Severity, tmp_path: Path) -> None:
    assert severities(release, rule, tmp_path) == [severity]


@pytest.mark.parametrize(("rule", "release"), QUIET)
def test_rule_keeps_quiet(rule: str, release: Release, tmp_path: Path) -> None:
    assert severities(release, rule, tmp_path) == []


def test_a_default_severity_is_the_worst_a_rule_can_have() -> None:
    for rule, cases in TRIGGERS.items():
        assert max(severity.rank for _, severity in cases) == RULES[rule].severity.rank, rule


def test_a_wheel_is_judged_by_its_file_name_as_pip_does(tmp_path: Path) -> None:
    inside = {"pkg-1.dist-info/WHEEL": b"Tag: cp312-cp312-macosx_13_0_arm64\n", "pkg/a.so": plugin(minos="13.0")}
    path = tmp_path / "pkg-1-cp312-cp312-macosx_12_0_arm64.whl"
    path.write_bytes(zipped(inside))
    renamed = tmp_path / "download"
    renamed.write_bytes(zipped(inside))

    (finding,) = found(audited(path), "MC235")

    assert finding.path == "pkg/a.so"
    assert finding.finding.evidence == {"minos": "13.0", "promised": "12.0"}
    assert found(audited(renamed), "MC235") == []


def test_wheel_tags() -> None:
    eleven, ten = Version.of(11), Version.of(10, 9)
    assert wheel_tags(["cp312-cp312-macosx_10_9_universal2"]) == {"arm64": eleven, "x86_64": ten}
    assert wheel_tags(["a-1-cp312-cp312-macosx_10_9_x86_64.macosx_12_0_arm64.whl"]) == {
        "x86_64": ten,
        "arm64": Version.of(12),
    }
    assert wheel_tags(["cp312-cp312-macosx_10_9_intel"]) == {"x86_64": ten}
    assert wheel_tags(["cp312-cp312-manylinux_2_17_x86_64", "macosx_10_9_ppc", "py3-none-any", ""]) == {}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no plist",
        b"<?xml version='1.0'?><plist><array/></plist>",
        b"<?xml version='1.0'?><plist><dict><key>a</key></plist>",
        b"<?xml version='1.0'?><!DOCTYPE p [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><plist><dict><key>&b;</key></dict>",
        b"bplist00" + bytes(40),
        b"bplist00" + b"\xff" * 64,
        plist(a=1)[:-20],
    ],
)
def test_hostile_property_lists_are_none(data: bytes) -> None:
    assert parse_plist(data) is None


def test_a_property_list_nested_deeply_ends_nothing() -> None:
    deep = b"<?xml version='1.0'?><plist>" + b"<dict><key>a</key>" * 50_000 + b"</plist>"
    assert parse_plist(deep) is None


def test_an_info_plist_beyond_its_limit_is_not_read(tmp_path: Path) -> None:
    long = plist(LSMinimumSystemVersion="11.0", x="x" * (2 << 20))
    folder = write_tree(tmp_path / "T.app", {"Contents/Info.plist": long, "Contents/MacOS/t": exe(minos="12.0")})
    assert found(audited(folder), "MC234") == []


@pytest.mark.parametrize(("minos", "tag"), [("12.0", "macosx_12_0"), ("12.3", "macosx_13_0")])
def test_only_tags_that_pip_takes_are_proposed(minos: str, tag: str, tmp_path: Path) -> None:
    release = wheel("cp312-cp312-macosx_11_0_arm64", ("pkg/a.so", plugin(minos=minos)))

    (finding,) = found(audited(write_tree(tmp_path, release.tree)), "MC235")

    assert finding.finding.remedy[1] == f"or tag the wheel for {tag}_arm64"


@pytest.mark.parametrize(("requires", "severity"), [("Omp", INFO), ("numpy", WARNING)])
def test_a_package_that_is_required_may_bring_a_library_of_its_name(
    requires: str, severity: Severity, tmp_path: Path
) -> None:
    path = tmp_path / f"pkg-1-{TAG}.whl"
    info = {
        "pkg-1.dist-info/WHEEL": f"Wheel-Version: 1.0\nTag: {TAG}\n".encode(),
        "pkg-1.dist-info/METADATA": f"Name: pkg\nVersion: 1\nRequires-Dist: {requires}\n".encode(),
    }
    path.write_bytes(zipped({**info, "pkg/__init__.py": b"", "pkg/a.so": plugin(OMP, rpaths=[BREWED])}))

    (finding,) = found(audited(path), "MC413")

    assert finding.severity is severity


def test_a_run_path_into_a_package_beside_the_wheel_may_be_served_by_it(tmp_path: Path) -> None:
    path = tmp_path / f"pkg-1-{TAG}.whl"
    module = plugin(OMP, rpaths=["@loader_path/../other/lib"])
    path.write_bytes(
        zipped({"pkg-1.dist-info/WHEEL": f"Tag: {TAG}\n".encode(), "pkg/__init__.py": b"", "pkg/a.so": module})
    )

    assert found(audited(path), "MC413") == []


def test_what_a_wheel_does_not_carry_is_an_error_in_its_own_profile(tmp_path: Path) -> None:
    release = wheel(TAG, ("pkg/a.so", plugin(OMP, rpaths=[BREWED])))

    (finding,) = found(audited(write_tree(tmp_path, release.tree), {"profile": "wheel"}), "MC413")

    assert finding.severity is ERROR


def test_a_run_path_into_a_package_beside_an_npm_package_may_be_served_by_it(tmp_path: Path) -> None:
    path = tmp_path / "addon-1.0.0.tgz"
    addon = plugin("@rpath/libvips.dylib", rpaths=["@loader_path/../../vips/lib"])
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {"package/package.json": b'{"name": "addon"}', "package/lib/a.node": addon}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

    assert found(audited(path), "MC413") == []
