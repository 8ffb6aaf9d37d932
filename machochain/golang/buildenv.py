r"""What a shell has to hold so that Go builds with cgo for a Mac, written in the forms people keep it in.

The deployment target stands in ``CGO_CPPFLAGS`` and ``CGO_LDFLAGS``: the first reaches every language and has no
default that would be lost, the second needs Go's own ``-O2 -g`` again (``cmd/go/internal/cfg``). zig takes it from
``-target`` alone, osxcross and Apple's clang from ``MACOSX_DEPLOYMENT_TARGET``, too. Nothing is run or looked up here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import Enum
from typing import Final

from machochain.golang.settings import DEFAULT_FLAGS
from machochain.model.errors import UsageError
from machochain.model.shell import go_word
from machochain.model.value import field, frozen
from machochain.model.version import Version

_ZIG_ARCH: Final = {"arm64": "aarch64", "amd64": "x86_64"}
_OSXCROSS: Final = {"arm64": "oa64-clang", "amd64": "o64-clang"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SDK_NAME: Final = re.compile(r"MacOSX(\d+)(?:\.\d+)*\.sdk")


class Toolchain(Enum):
    """Whose compiler and linker build."""

    APPLE = "apple"
    ZIG = "zig"
    OSXCROSS = "osxcross"


class EnvironmentForm(Enum):
    """A form of the text."""

    SH = "sh"
    ENVRC = "envrc"
    GITHUB = "github"
    NIX = "nix"
    CC_WRAPPER = "cc-wrapper"
    CXX_WRAPPER = "cxx-wrapper"
    PKG_CONFIG_WRAPPER = "pkg-config-wrapper"


@frozen
class BuildEnvironment:
    """One declaration.

    Attributes:
        goarch: ``arm64`` or ``amd64``.
        minimum: The oldest macOS the program is for.
        toolchain: Who builds.
        sdk: Absolute path of an SDK; None to leave it to the toolchain.
        developer_dir: Absolute path of Xcode's or the command line tools' folder; None to leave it.
        prefixes: Absolute paths with ``include``, ``lib`` and ``lib/pkgconfig`` of libraries for the Mac.
        pkg_config: Absolute path of a pkg-config for the Mac; None for the one there is.
        pkg_config_root: What paths in ``.pc`` files are below; None if they are right as they are.
        cache: Absolute path; the build cache becomes a folder in it of its own for these settings, as Go's cache knows
            nothing of an SDK or a deployment target. None to leave it.
    """

    goarch: str = "arm64"
    minimum: Version = field(factory=lambda: Version.of(12))
    toolchain: Toolchain = Toolchain.APPLE
    sdk: str | None = None
    developer_dir: str | None = None
    prefixes: tuple[str, ...] = ()
    pkg_config: str | None = None
    pkg_config_root: str | None = None
    cache: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what no form could hold.

        Raises:
            UsageError: A path is relative, or holds what a form, cmd/go or pkg-config cannot take.
        """
        single = (self.sdk, self.developer_dir, self.pkg_config, self.pkg_config_root, self.cache)
        for path in (*single, *self.prefixes):
            if path is None:
                continue
            if not path.startswith("/") or _CONTROL.search(path):
                raise UsageError(f"not an absolute path: {path!r}")
            if "'" in path and '"' in path:
                raise UsageError(f"cmd/go can read no flag with quotes of both kinds in it: {path!r}")
        for path in self.prefixes:
            if ":" in path:
                raise UsageError(f"pkg-config cannot look in a folder with a colon in its name: {path!r}")

    @property
    def cross(self) -> bool:
        """Whether the building machine need not be a Mac."""
        return self.toolchain is not Toolchain.APPLE

    def compiler(self, *, cxx: bool = False) -> tuple[str, ...]:
        """Return the words of the compiler; ``()`` for Go's own choice."""
        if self.toolchain is Toolchain.ZIG:
            return ("zig", "c++" if cxx else "cc", "-target", f"{_ZIG_ARCH[self.goarch]}-macos.{self.target}")
        if self.toolchain is Toolchain.OSXCROSS:
            return (_OSXCROSS[self.goarch] + ("++" if cxx else ""),)
        return ()

    @property
    def pkg_config_directories(self) -> tuple[str, ...]:
        """Where ``.pc`` files of the prefixes lie."""
        return tuple(f"{prefix.rstrip('/')}/{part}/pkgconfig" for prefix in self.prefixes for part in ("lib", "share"))

    @property
    def target(self) -> str:
        """The deployment target, with two numbers."""
        return f"{self.minimum.major}.{self.minimum.minor}"

    def variables(self) -> dict[str, str]:
        """Return the variables in the order they are shown."""
        found = {"GOOS": "darwin", "GOARCH": self.goarch, "CGO_ENABLED": "1"}
        if self.cross:
            found["CC"] = " ".join(self.compiler())
            found["CXX"] = " ".join(self.compiler(cxx=True))
        if self.developer_dir is not None:
            found["DEVELOPER_DIR"] = self.developer_dir
        if self.toolchain is not Toolchain.ZIG:
            found["MACOSX_DEPLOYMENT_TARGET"] = self.target
            if self.sdk is not None:
                found["SDKROOT"] = self.sdk
        compile_words, link_words = self._flags()
        if compile_words:
            found["CGO_CPPFLAGS"] = " ".join(map(go_word, compile_words))
        if link_words:
            found["CGO_LDFLAGS"] = " ".join(map(go_word, [*DEFAULT_FLAGS.split(), *link_words]))
        found |= self._pkg_config_variables()
        if self.cache is not None:
            sdk = self.sdk.rstrip("/").rpartition("/")[2] if self.sdk is not None else "default"
            found["GOCACHE"] = f"{self.cache.rstrip('/')}/{self.goarch}-{self.target}-{self.toolchain.value}-{sdk}"
        return found

    def _flags(self) -> tuple[list[str], list[str]]:
        """Return what every compiler call and every link gets."""
        version = [f"-mmacosx-version-min={self.target}"] if self.toolchain is not Toolchain.ZIG else []
        compile_words, link_words = list(version), list(version)
        for prefix in self.prefixes:
            compile_words.append(f"-I{prefix.rstrip('/')}/include")
            link_words.append(f"-L{prefix.rstrip('/')}/lib")
        if self.sdk is not None and self.toolchain is Toolchain.ZIG:
            # zig adds no directory for SDKROOT or -isysroot, and puts --sysroot before paths that have it already.
            frameworks = f"-F{self.sdk}/System/Library/Frameworks"
            compile_words += ["-isystem", f"{self.sdk}/usr/include", frameworks]
            link_words += [f"-L{self.sdk}/usr/lib", frameworks]
        return compile_words, link_words

    def _pkg_config_variables(self) -> dict[str, str]:
        found = {}
        directories = ":".join(self.pkg_config_directories)
        if self.pkg_config is not None:
            # cmd/go splits the value and takes the first word: a wrapper file holds what would be lost.
            found["PKG_CONFIG"] = go_word(self.pkg_config)
        if self.cross:
            # Left alone or empty, pkg-config answers with libraries of the machine that builds.
            found |= {"PKG_CONFIG_PATH": "", "PKG_CONFIG_LIBDIR": directories or "/nonexistent"}
            if self.pkg_config_root is not None:
                found["PKG_CONFIG_SYSROOT_DIR"] = self.pkg_config_root
        elif directories:
            found["PKG_CONFIG_PATH"] = directories
        return found


def emit(declared: BuildEnvironment, form: EnvironmentForm) -> str:
    """Return the text of one form.

    Raises:
        UsageError: The form makes no sense for the toolchain.
    """
    if form in (EnvironmentForm.CC_WRAPPER, EnvironmentForm.CXX_WRAPPER):
        return "\n".join(_compiler(declared, cxx=form is EnvironmentForm.CXX_WRAPPER)) + "\n"
    if form is EnvironmentForm.PKG_CONFIG_WRAPPER:
        return "\n".join(_pkg_config(declared)) + "\n"
    if form is EnvironmentForm.GITHUB:
        return "".join(f"{name}={value}\n" for name, value in declared.variables().items())
    if form is EnvironmentForm.NIX:
        return "\n".join(_nix(declared)) + "\n"
    return "\n".join(_exports(declared, envrc=form is EnvironmentForm.ENVRC)) + "\n"


def _exports(declared: BuildEnvironment, *, envrc: bool) -> Iterator[str]:
    if envrc:
        yield "# No DYLD_ variable stands here: programs of the system and hardened ones drop them. Use a run path."
        yield "watch_file go.mod go.sum"
    for name, value in declared.variables().items():
        yield f"export {name}={shlex.quote(value)}"


def _compiler(declared: BuildEnvironment, *, cxx: bool) -> Iterator[str]:
    words = declared.compiler(cxx=cxx)
    if not words:
        raise UsageError("Apple's clang needs no wrapper: name zig or osxcross with --toolchain")
    yield "#!/bin/sh"
    yield f"# {'C++' if cxx else 'C'} compiler for darwin/{declared.goarch}, macOS {declared.minimum} and newer."
    if declared.sdk is not None or declared.prefixes:
        yield "# It does not name --sdk and --prefix: CGO_CPPFLAGS and CGO_LDFLAGS of `machochain env` name them."
    yield "# Go's linker asks for dsymutil and strip with --print-prog-name (cmd/link/internal/ld/lib.go)."
    yield "wanted= asked="
    yield "for word do"
    yield '\tif [ -n "$asked" ]; then wanted=$word; break; fi'
    yield "\tcase $word in"
    yield "\t--print-prog-name=*) wanted=${word#*=}; break ;;"
    yield "\t--print-prog-name) asked=1 ;;"
    yield "\tesac"
    yield "done"
    yield 'if [ -n "$wanted" ]; then'
    yield '\tcommand -v "llvm-$wanted" || command -v "$wanted" || printf \'%s\\n\' "$wanted"'
    yield "\texit 0"
    yield "fi"
    if declared.toolchain is Toolchain.OSXCROSS:
        yield f"export MACOSX_DEPLOYMENT_TARGET={declared.target}"
    yield f'exec {shlex.join(words)} "$@"'


def _pkg_config(declared: BuildEnvironment) -> Iterator[str]:
    if not declared.prefixes:
        raise UsageError("a pkg-config for the Mac needs folders to look in: name them with --prefix")
    yield "#!/bin/sh"
    yield f"# pkg-config for darwin/{declared.goarch}: set PKG_CONFIG to the path of this file."
    yield 'if [ -n "${PKG_CONFIG_WRAPPED-}" ]; then'
    yield "\techo 'this wrapper stands before the pkg-config it wraps in PATH: give it another name' >&2"
    yield "\texit 1"
    yield "fi"
    yield "export PKG_CONFIG_WRAPPED=1"
    yield "unset PKG_CONFIG_PATH"
    yield f"export PKG_CONFIG_LIBDIR={shlex.quote(':'.join(declared.pkg_config_directories))}"
    if declared.pkg_config_root is None:
        yield "unset PKG_CONFIG_SYSROOT_DIR"
    else:
        yield f"export PKG_CONFIG_SYSROOT_DIR={shlex.quote(declared.pkg_config_root)}"
    yield f'exec {shlex.quote(declared.pkg_config or "pkg-config")} "$@"'


def _nix(declared: BuildEnvironment) -> Iterator[str]:
    if declared.cross:
        raise UsageError("the nix shell is for a Mac: use --toolchain apple")
    named = _SDK_NAME.fullmatch(declared.sdk.rstrip("/").rpartition("/")[2]) if declared.sdk is not None else None
    sdk = f"apple-sdk_{named[1]}" if named is not None else "apple-sdk"
    yield "{ pkgs ? import <nixpkgs> { } }:"
    yield "# No gcc: it would become $CC. SDKROOT and the deployment target come from the two packages at the end."
    yield "pkgs.mkShell {"
    yield f'  packages = [ pkgs.go pkgs.pkg-config pkgs.{sdk} (pkgs.darwinMinVersionHook "{declared.target}") ];'
    for name, value in declared.variables().items():
        if name not in ("SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET"):
            yield f"  {name} = {_nix_string(value)};"
    yield "}"


def _nix_string(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'
