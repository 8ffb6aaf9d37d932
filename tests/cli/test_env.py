"""``machochain env``: what it writes is run or read as its reader would, and taken by ``machochain source --env``."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from machochain.golang.settings import Settings
from tests.cli.running import run
from tests.source.modules import GO_MOD, SDK, cgo, write

PREFIX = "/opt/my libs"
PC = "prefix=/opt/my libs\nName: greet\nVersion: 1\nCflags: -DGREET\nLibs: -lgreet\n"


def emitted(*arguments: str) -> str:
    done = run("env", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def shell(path: Path, *arguments: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["sh", str(path), *arguments], env=dict(environment), capture_output=True, text=True, check=True
    )
    return done.stdout


def variables(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split("\0") if part)


def as_form(form: str, text: str, folder: Path) -> dict[str, str]:
    """Read variables as whoever the form is for."""
    if form == "github":
        return dict(line.split("=", 1) for line in text.splitlines())
    if form == "nix":
        found = re.findall(r'^  (\w+) = "(.*)";$', text, re.MULTILINE)
        return {name: re.sub(r"\\(.)", r"\1", value) for name, value in found}
    script = folder / "script"
    script.write_text(f"watch_file() {{ :; }}\n{text}\nexec env -0\n")
    return variables(shell(script, environment={"PATH": os.environ["PATH"]}))


def examined(tmp_path: Path, environment: Mapping[str, str], goarch: str = "arm64") -> dict[str, Any]:
    """Return the report of ``machochain source --env``."""
    module = write(
        tmp_path / "module",
        {"go.mod": GO_MOD, "a.go": cgo("#include <stdio.h>", "#include <greet.h>", "#cgo pkg-config: greet")},
    )
    libs = write(tmp_path / "libs", {"include/greet.h": "", "lib/libgreet.a": "", "lib/pkgconfig/greet.pc": PC})
    sdk = write(tmp_path / "MacOSX15.sdk", SDK)
    given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    done = run(
        "source", str(module), "--goarch", goarch, "--map", f"{PREFIX}={libs}", "--map", f"/sdk/MacOSX15.sdk={sdk}",
        *given, "--fail-on", "never", "--json",
    )  # fmt: skip
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def found_in(report: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, str | None]]:
    return {(s["kind"], s["name"]): (s["outcome"], s["winner"]) for s in report["search"]}


DECLARED = ("--minimum", "13.1", "--prefix", PREFIX, "--sdk", "/sdk/MacOSX15.sdk", "--cache", "/caches")


@pytest.mark.parametrize("form", ["sh", "envrc", "github", "nix"])
def test_source_takes_the_variables_of_each_form(tmp_path: Path, form: str) -> None:
    found = as_form(form, emitted("--format", form, *DECLARED), tmp_path)
    assert found["GOCACHE"] == "/caches/arm64-13.1-apple-MacOSX15.sdk"
    assert (found["GOOS"], found["GOARCH"], found["CGO_ENABLED"]) == ("darwin", "arm64", "1")
    if form == "nix":
        # The packages of the shell set it.
        found["SDKROOT"] = "/sdk/MacOSX15.sdk"
    report = examined(tmp_path, found)

    (target,) = report["targets"]
    assert (target["mode"], target["sdk"]) == ("sdk", "/sdk/MacOSX15.sdk")
    outcomes = found_in(report)
    assert outcomes["header", "greet.h"] == ("found", f"{PREFIX}/include/greet.h")
    assert outcomes["library", "greet"] == ("found", f"{PREFIX}/lib/libgreet.a")
    assert outcomes["pkg-config", "greet"] == ("found", f"{PREFIX}/lib/pkgconfig/greet.pc")
    assert outcomes["header", "stdio.h"] == ("found", "/sdk/MacOSX15.sdk/usr/include/stdio.h")


@pytest.mark.parametrize("form", ["sh", "envrc", "github"])
@pytest.mark.parametrize("toolchain", ["zig", "osxcross"])
def test_a_cross_compiler_finds_libraries_of_the_mac_alone(tmp_path: Path, form: str, toolchain: str) -> None:
    text = emitted("--format", form, "--toolchain", toolchain, "--goarch", "amd64", *DECLARED)
    found = as_form(form, text, tmp_path)
    report = examined(tmp_path, found, "amd64")

    assert report["targets"][0]["mode"] == "cross"
    outcomes = found_in(report)
    assert outcomes["pkg-config", "greet"] == ("found", f"{PREFIX}/lib/pkgconfig/greet.pc")
    assert outcomes["header", "stdio.h"] == ("found", "/sdk/MacOSX15.sdk/usr/include/stdio.h")
    assert found["PKG_CONFIG_PATH"] == ""
    assert ("MACOSX_DEPLOYMENT_TARGET" in found) is (toolchain == "osxcross")
    assert ("-mmacosx-version-min=13.1" in found["CGO_LDFLAGS"]) is (toolchain == "osxcross")


def test_the_deployment_target_reaches_every_language_and_the_link_and_keeps_go_s_flags(tmp_path: Path) -> None:
    found = as_form("sh", emitted("--minimum", "12.0"), tmp_path)
    settings = Settings(found)
    assert settings.words("CGO_CPPFLAGS") == ("-mmacosx-version-min=12.0",)
    assert settings.words("CGO_LDFLAGS") == ("-O2", "-g", "-mmacosx-version-min=12.0")
    assert settings.get("CGO_CFLAGS").value == "-O2 -g"


@pytest.mark.parametrize(("form", "driver"), [("cc-wrapper", "cc"), ("cxx-wrapper", "c++")])
def test_the_wrapper_hands_all_words_to_zig_and_source_knows_what_it_starts(
    tmp_path: Path, form: str, driver: str
) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(emitted("--format", form, "--toolchain", "zig", "--minimum", "12.3"))
    write(tmp_path / "bin", {"zig": '#!/bin/sh\nprintf "%s\\0" "$@"\n', "dsymutil": "#!/bin/sh\n"})
    for each in (tmp_path / "bin").iterdir():
        each.chmod(0o755)
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "wanted": "x", "asked": "y"}
    started = shell(wrapper, "-arch", "arm64", "-I", "a b", environment=environment).split("\0")[:-1]
    assert started == [driver, "-target", "aarch64-macos.12.3", "-arch", "arm64", "-I", "a b"]
    for asked in (["--print-prog-name", "dsymutil"], ["-arch", "arm64", "--print-prog-name=dsymutil"]):
        assert shell(wrapper, *asked, environment=environment).strip().endswith("dsymutil")
    assert shell(wrapper, "--print-prog-name=not-there", environment=environment) == "not-there\n"

    report = examined(tmp_path, {"CC": " ".join(["zig", *started[:3]])})
    assert report["targets"][0]["mode"] == "cross"


def test_the_wrapper_says_where_the_directories_are_that_it_does_not_name() -> None:
    words = ("--format", "cc-wrapper", "--toolchain", "zig")
    assert "CGO_LDFLAGS of `machochain env` name them" in emitted(*words, "--sdk", "/sdk")
    assert "CGO_LDFLAGS" not in emitted(*words)


def test_the_wrapper_of_osxcross_says_the_deployment_target_itself(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(emitted("--format", "cc-wrapper", "--toolchain", "osxcross", "--minimum", "11.0"))
    write(tmp_path / "bin", {"oa64-clang": '#!/bin/sh\necho "$MACOSX_DEPLOYMENT_TARGET $*"\n'})
    (tmp_path / "bin" / "oa64-clang").chmod(0o755)
    said = shell(wrapper, "-c", "x.c", environment={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert said == "11.0 -c x.c\n"


def test_the_wrapper_of_pkg_config_looks_in_the_prefixes_alone_and_never_starts_itself(tmp_path: Path) -> None:
    write(tmp_path / "bin", {"pkg-config": "#!/bin/sh\nexec env -0\n"})
    (tmp_path / "bin" / "pkg-config").chmod(0o755)
    wrapper = tmp_path / "own" / "pkg-config"
    wrapper.parent.mkdir()
    wrapper.write_text(emitted("--format", "pkg-config-wrapper", "--prefix", PREFIX))
    wrapper.chmod(0o755)
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PKG_CONFIG_PATH": "/usr/lib/pkgconfig"}
    seen = variables(shell(wrapper, "--libs", "greet", environment=environment))
    assert "PKG_CONFIG_PATH" not in seen
    report = examined(tmp_path, {k: v for k, v in seen.items() if k.startswith("PKG_CONFIG_LIB")})
    outcomes = found_in(report)
    assert outcomes["pkg-config", "greet"] == ("found", f"{PREFIX}/lib/pkgconfig/greet.pc")

    environment["PATH"] = f"{wrapper.parent}:/usr/bin:/bin"
    done = subprocess.run([str(wrapper)], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "another name" in done.stderr) == (1, True)


def test_a_path_keeps_its_blanks_quotes_and_dollars_in_every_form(tmp_path: Path) -> None:
    odd = "/opt/it's ${HOME} $(x) \\ %41"
    for form in ("sh", "envrc", "github", "nix"):
        found = as_form(form, emitted("--format", form, "--prefix", odd), tmp_path)
        assert Settings(found).words("CGO_LDFLAGS")[-1] == f"-L{odd}/lib", form


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prefix", "lib"), "absolute"),
        (("--sdk", "/a\nB=c", "--format", "github"), "absolute"),
        (("--prefix", "/a:b"), "colon"),
        (("--prefix", "/a'\""), "quotes"),
        (("--format", "cc-wrapper"), "no wrapper"),
        (("--format", "pkg-config-wrapper"), "--prefix"),
        (("--format", "nix", "--toolchain", "zig"), "nix"),
        (("--minimum", "new"), "version"),
    ],
)
def test_what_no_form_can_hold_is_refused(arguments: tuple[str, ...], said: str) -> None:
    done = run("env", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_nix_shell_takes_the_sdk_of_the_name_and_no_gcc() -> None:
    text = emitted("--format", "nix", "--sdk", "/x/MacOSX14.4.sdk", "--minimum", "12.0")
    assert 'packages = [ pkgs.go pkgs.pkg-config pkgs.apple-sdk_14 (pkgs.darwinMinVersionHook "12.0") ];' in text
    assert "gcc" not in text.replace("# No gcc", "")
    assert "pkgs.apple-sdk " in emitted("--format", "nix")
    assert "DYLD_" not in emitted("--format", "envrc").replace("# No DYLD_", "")
