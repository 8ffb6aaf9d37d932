"""``machochain env``."""

from __future__ import annotations

import click

from machochain.cli.given import FOLDER, PLACE, OneOf
from machochain.cli.output import say

FORMS = ("sh", "envrc", "github", "nix", "cc-wrapper", "cxx-wrapper", "pkg-config-wrapper")


@click.command("env")
@click.option("--format", "form", type=OneOf(FORMS), default="sh", show_default=True, help="What to write.")
@click.option("--goarch", type=OneOf(["arm64", "amd64"]), default="arm64", show_default=True)
@click.option("--minimum", default="12.0", show_default=True, metavar="VERSION", help="The oldest macOS to build for.")
@click.option(
    "--toolchain", type=OneOf(["apple", "zig", "osxcross"]), default="apple", show_default=True,
    help="Whose compiler builds: zig and osxcross work without a Mac.",
)  # fmt: skip
@click.option("--sdk", metavar="DIR", type=FOLDER, help="The SDK. Default: the toolchain's own choice.")
@click.option("--developer-dir", metavar="DIR", type=FOLDER, help="Which Xcode, without xcode-select -s and sudo.")
@click.option(
    "--prefix", "prefixes", multiple=True, metavar="DIR", type=FOLDER,
    help="A folder with include, lib and lib/pkgconfig of libraries for the Mac. Repeatable.",
)  # fmt: skip
@click.option(
    "--pkg-config", metavar="FILE", type=PLACE, help="The pkg-config Go is to use, or the wrapper is to wrap."
)
@click.option(
    "--pkg-config-root", metavar="DIR", type=FOLDER, help="What paths in .pc files are below (PKG_CONFIG_SYSROOT_DIR)."
)
@click.option(
    "--cache",
    metavar="DIR",
    type=FOLDER,
    help="Keep Go's build cache for these settings in a folder of its own in DIR.",
)
def command(  # noqa: PLR0913  # each is the caller's to say
    *,
    form: str,
    goarch: str,
    minimum: str,
    toolchain: str,
    sdk: str | None,
    developer_dir: str | None,
    prefixes: tuple[str, ...],
    pkg_config: str | None,
    pkg_config_root: str | None,
    cache: str | None,
) -> None:
    r"""Write what a shell must hold so that Go builds with cgo for a Mac: variables or small scripts, as text.

    Nothing is run, installed or looked up; paths are absolute and those of the machine that builds. What is written is
    what machochain source takes with --env.

    \b
    machochain env --minimum 12.0 --prefix /opt/homebrew --format envrc > .envrc
    machochain env --developer-dir /Applications/Xcode_16.4.app/Contents/Developer --format github >> "$GITHUB_ENV"
    machochain env --toolchain zig --goarch amd64 --format cc-wrapper > zig-cc && chmod +x zig-cc
    """
    from machochain.golang.buildenv import BuildEnvironment, EnvironmentForm, Toolchain, emit
    from machochain.model.version import Version

    declared = BuildEnvironment(
        goarch,
        Version.parse(minimum),
        Toolchain(toolchain),
        sdk,
        developer_dir,
        prefixes,
        pkg_config,
        pkg_config_root,
        cache,
    )
    say((emit(declared, EnvironmentForm(form)),))
