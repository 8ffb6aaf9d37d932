r"""Go's settings with their precedence, and what cmd/go makes of them.

``cmd/go/internal/cfg`` (``EnvOrAndChanged``, ``Getenv``) and ``envcmd``, Go 1.27: a variable of the process if it is
not empty, else the file ``$GOENV`` that ``go env -w`` writes, else ``GOROOT/go.env``, else the default. An empty
variable does not clear a kept value.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from enum import Enum
from typing import Final

from machochain.golang.words import split_variable
from machochain.model.errors import UsageError
from machochain.model.value import frozen

DEFAULT_FLAGS: Final = "-O2 -g"
_DEFAULTS: Final = {
    "CGO_CFLAGS": DEFAULT_FLAGS, "CGO_CXXFLAGS": DEFAULT_FLAGS, "CGO_FFLAGS": DEFAULT_FLAGS,
    "CGO_LDFLAGS": DEFAULT_FLAGS, "CGO_CPPFLAGS": "", "PKG_CONFIG": "pkg-config", "CC": "clang", "CXX": "clang++",
    "GOARM64": "v8.0", "GOAMD64": "v1",
}  # fmt: skip


class SettingOrigin(Enum):
    """Where a value comes from."""

    PROCESS = "process"
    KEPT = "kept"
    TOOLCHAIN = "toolchain"
    DEFAULT = "default"


@frozen
class Setting:
    """One value.

    Attributes:
        name: Of the variable.
        value: What Go takes.
        origin: Where from.
    """

    name: str
    value: str
    origin: SettingOrigin


@frozen
class Settings:
    """What Go sees.

    Attributes:
        process: Variables of the environment.
        kept: What ``go env -w`` keeps.
        toolchain: What ``GOROOT/go.env`` says.
    """

    process: Mapping[str, str] = {}
    kept: Mapping[str, str] = {}
    toolchain: Mapping[str, str] = {}

    def get(self, name: str) -> Setting:
        """Return the value of a variable that is a setting of Go's."""
        for values, origin in (
            (self.process, SettingOrigin.PROCESS),
            (self.kept, SettingOrigin.KEPT),
            (self.toolchain, SettingOrigin.TOOLCHAIN),
        ):
            if values.get(name):
                return Setting(name, values[name], origin)
        return Setting(name, _DEFAULTS.get(name, ""), SettingOrigin.DEFAULT)

    def variable(self, name: str) -> str:
        """Return a variable only other programs look at (SDKROOT, CPATH): kept values mean nothing to them."""
        return self.process.get(name, "")

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of a variable.

        Raises:
            UsageError: A quote is not closed; the text is Go's.
        """
        value = self.get(name).value
        try:
            return split_variable(value)
        except UsageError as error:
            shown = f"could not parse environment variable {name} with value {quoted_value(value)}: {error}"
            raise UsageError(shown) from None

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags that GOFLAGS gives, by ``-tags``."""
        return flag_value(self.get("GOFLAGS").value, "tags")

    @property
    def mod(self) -> str:
        """The value of ``-mod`` in GOFLAGS; ``""`` for none."""
        return ",".join(flag_value(self.get("GOFLAGS").value, "mod"))

    def compiler(self, name: str = "CC") -> tuple[str, ...]:
        """Return the compiler and its arguments.

        Raises:
            UsageError: The value cannot be split.
        """
        return self.words(name) or (_DEFAULTS[name],)


def quoted_value(value: str) -> str:
    """Return a value as Go's ``%q`` shows it, for plain text."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def flag_value(goflags: str, name: str) -> tuple[str, ...]:
    """Return the values of a flag in GOFLAGS, split at commas and blanks."""
    try:
        words = split_variable(goflags)
    except UsageError:
        return ()
    found: tuple[str, ...] = ()
    for word in words:
        key, equals, value = word.lstrip("-").partition("=")
        if key == name and equals and word.startswith("-"):
            found = tuple(v for v in value.replace(",", " ").split() if v)
    return found


def parse_kept(text: str) -> dict[str, str]:
    """Read the file of ``go env -w``: ``NAME=VALUE`` lines, ``#`` comments; the last of a name counts."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        stripped = line.strip()
        name, equals, value = stripped.partition("=")
        if equals and name and not stripped.startswith("#") and name.replace("_", "").isalnum():
            found[name] = value
    return found


def feature_tags(settings: Settings, goarch: str) -> frozenset[str]:
    """Return the tags of processor features: ``arm64.v8.0``, ``amd64.v1`` to ``amd64.vN`` (``internal/buildcfg``)."""
    if goarch == "amd64":
        level = settings.get("GOAMD64").value.removeprefix("v")
        highest = int(level) if level in ("1", "2", "3", "4") else 1
        return frozenset(f"amd64.v{n}" for n in range(1, highest + 1))
    value = settings.get("GOARM64").value.partition(",")[0].removeprefix("v")
    major, _, minor = value.partition(".")
    if not (major in ("8", "9") and len(minor) == 1 and minor in "0123456789"):
        major, minor = "8", "0"
    found = {f"arm64.v{major}.{n}" for n in range(int(minor) + 1)}
    if major == "9":
        # v9.N has all that v8.(N+5) has.
        found |= {f"arm64.v8.{n}" for n in range(min(9, int(minor) + 5) + 1)}
    return frozenset(found)


def experiment_tags(settings: Settings) -> frozenset[str]:
    """Return the tags of GOEXPERIMENT."""
    names = settings.get("GOEXPERIMENT").value.split(",")
    return frozenset(f"goexperiment.{name}" for name in names if name and not name.startswith("no"))


def shell_words(text: str) -> tuple[str, ...]:
    """Split a value people write by hand, as a shell would; the text itself if it cannot be split."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return (text,)
