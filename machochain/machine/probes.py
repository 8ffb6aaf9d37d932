"""What is recorded of a Mac: a fixed list of commands, variables, listings and texts."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.value import frozen


@frozen
class Probe:
    """One command.

    Attributes:
        id: Under which its output is kept.
        words: The command; ``{cc}``, ``{cxx}``, ``{pkg_config}`` and ``{go}`` stand for what the environment names.
    """

    id: str
    words: tuple[str, ...]


def _probe(name: str, text: str) -> Probe:
    return Probe(name, tuple(text.split()))


PROBES: Final = (
    _probe("sw_vers", "sw_vers"),
    _probe("uname", "uname -mrs"),
    _probe("translated", "sysctl -n sysctl.proc_translated"),
    _probe("csrutil", "csrutil status"),
    _probe("developer_dir", "xcode-select -p"),
    _probe("sdk_path", "xcrun --show-sdk-path"),
    _probe("sdk_version", "xcrun --show-sdk-version"),
    _probe("sdk_path_macosx", "xcrun --sdk macosx --show-sdk-path"),
    _probe("sdk_version_macosx", "xcrun --sdk macosx --show-sdk-version"),
    _probe("find_clang", "xcrun --find clang"),
    _probe("find_ld", "xcrun --find ld"),
    _probe("xcodebuild", "xcodebuild -version"),
    _probe("clt", "pkgutil --pkg-info=com.apple.pkg.CLTools_Executables"),
    _probe("ld_version", "ld -v"),
    _probe("which_cc", "which {cc0}"),
    _probe("cc_version", "{cc} --version"),
    _probe("cc_search", "{cc} -v -E -x c /dev/null"),
    _probe("cxx_search", "{cxx} -v -E -x c++ /dev/null"),
    _probe("cc_link", "{cc} -### -x c /dev/null -o /dev/null"),
    _probe("strip", "{cc} --print-prog-name=strip"),
    _probe("which_go", "which go"),
    _probe("go_version", "go version"),
    _probe("go_env", "go env -json"),
    _probe("go_env_changed", "go env -changed"),
    _probe("go_build", "go version -m {go}"),
    _probe("go_signature", "codesign -dv --entitlements - {go}"),
    _probe("brew_prefix", "brew --prefix"),
    _probe("brew_config", "brew config"),
    _probe("brew_list", "brew list --versions"),
    _probe("which_pkg_config", "which {pkg_config0}"),
    _probe("pkg_config_version", "{pkg_config} --version"),
    _probe("pkg_config_path", "{pkg_config} --variable pc_path pkg-config"),
    _probe("locale", "locale"),
)

_TOLD: Final = re.compile(
    r"CGO_\w*|CC|CXX|AR|GO\w*|SDKROOT|DEVELOPER_DIR|TOOLCHAINS|MACOSX_DEPLOYMENT_TARGET|CPATH|C_INCLUDE_PATH"
    r"|CPLUS_INCLUDE_PATH|OBJC_INCLUDE_PATH|LIBRARY_PATH|DYLD_\w*|PKG_CONFIG\w*|NIX_CC|NIX_CFLAGS_COMPILE|NIX_LDFLAGS"
    r"|IN_NIX_SHELL|HOMEBREW_PREFIX|DIRENV_DIR|PATH|TMPDIR|GITHUB_ACTIONS|ImageOS|ImageVersion|RUNNER_OS|RUNNER_ARCH"
    r"|LANG"
)
_VEILED: Final = "GOPROXY|GOAUTH|GOSUMDB|GONO\\w*|GOPRIVATE|GOINSECURE"
_PRESENCE: Final = re.compile(_VEILED)
_IN_JSON: Final = re.compile(rf'^(\s*"(?:{_VEILED})": ").+(",?)$', re.MULTILINE)
_IN_LINES: Final = re.compile(rf"^((?:{_VEILED})=).+$", re.MULTILINE)
SET: Final = "(set)"
"""Stands for the value of a variable that may hold a secret."""


def told(name: str) -> bool:
    """Whether a variable is recorded."""
    return _TOLD.fullmatch(name) is not None


def secret(name: str) -> bool:
    """Whether only the presence of a variable is recorded."""
    return _PRESENCE.fullmatch(name) is not None


def veiled(text: str) -> str:
    """Return what ``go env`` prints or keeps without values that may hold a secret: only that they are set."""
    return _IN_LINES.sub(rf"\1{SET}", _IN_JSON.sub(rf"\1{SET}\2", text))


VEILED: Final = frozenset({"go_env", "go_env_changed"})
"""Commands whose output is veiled."""
SETTINGS: Final = ("Version", "MaximumDeploymentTarget", "CanonicalName")
"""What is recorded of an SDK's settings; nothing else of Apple's is copied."""
SDK_FOLDERS: Final = ("/Library/Developer/CommandLineTools/SDKs",)
IN_DEVELOPER_DIR: Final = "Platforms/MacOSX.platform/Developer/SDKs"
IN_BREW: Final = ("lib", "include", "lib/pkgconfig", "share/pkgconfig", "opt")
LISTED: Final = ("/usr/local/lib", "/usr/local/include", "/usr/local/lib/pkgconfig", *SDK_FOLDERS)
"""Directories whose names are recorded wherever they are; those of the developer directory and Homebrew besides."""
