"""A policy to begin with: every key there is, commented out, each with what it means and an example that is read."""

from __future__ import annotations

from typing import Final

from machochain.judging.policy import PROFILES
from machochain.model.errors import UsageError, guess

_PROFILE_LINE: Final = 'profile = "release"'
STARTER: Final = f"""\
# What machochain asks of what is shipped. The nearest machochain.toml counts, from the working directory upwards to the
# root of the repository. Lines that begin with "#" and a key are examples: take the sign away, and they count.

# The built-in rules to start from: release, wheel, app or dev.
{_PROFILE_LINE}

# The macOS releases it must run on. Default: from each program's own minimum to the newest.
# macos = "12..26"

# The severity from which on "machochain audit" exits with 1: error, warning, info or never.
# fail-on = "error"

# Architectures that every Mach-O file must have.
# archs = ["arm64", "x86_64"]

# Bounds of the oldest macOS that files say they run on, and of the SDK they were built with.
# minos = {{ min = "11", max = "12.0" }}
# sdk = {{ min = "14" }}

# Libraries, by globs: what may be linked beside the system's and one's own, what must not, what every program must
# load, and what may be needed though it is not carried, because something else is sure to bring it.
# allow-libraries = ["@rpath/libvulkan.*"]
# forbid-libraries = ["*/libssl.*", "*/libcrypto.*"]
# required-libraries = ["*/Sparkle.framework/*"]
# provided-libraries = ["@rpath/libomp.dylib"]

# Run paths, by globs: those that may be there, and those that must not.
# allow-run-paths = ["@loader_path/*", "@executable_path/*"]
# forbid-run-paths = ["/opt/homebrew/*", "/usr/local/*"]

# SDKs that say which system libraries and symbols exist, relative to this file. Default: the embedded facts.
# sdks = ["third_party/MacOSX14.sdk"]

# What a rule counts for: error, warning, info or off. "machochain audit --rules" lists the rules.
[severity]
# MC402 = "error"
# unused-run-path = "off"

# What is asked of some files only; later ones count more.
# [[override]]
# path = "MyApp.app/Contents/PlugIns/*"
# minos = {{ max = "13.0" }}

# What is known and put up with. A reason has to be given.
# [[ignore]]
# rule = "MC120"
# path = "lib/*.dylib"
# library = "@loader_path/plugins"
# reason = "plug-ins are opened from there at run time"
# expires = 2099-12-31

# What a pipeline does where cgo cannot be built; "machochain doctor --policy machochain.toml" decides by it.
# [machochain.ci]
# targets = ["darwin/arm64"]
# fallback = "none"
# pure_go_ok = false
# min_macos = "13.0"
"""


def starter(profile: str = "release") -> str:
    """Return the text of a policy that starts from a built-in profile.

    Raises:
        UsageError: There is no such profile.
    """
    if profile not in PROFILES:
        raise UsageError(f"no profile is called {profile!r}: there are {', '.join(PROFILES)}{guess(profile, PROFILES)}")
    return STARTER.replace(_PROFILE_LINE, f'profile = "{profile}"')
