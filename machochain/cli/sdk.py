"""``machochain sdk``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from machochain.cli import EXIT_FINDINGS, complain
from machochain.cli.given import PLACE, Spooled
from machochain.cli.options import ARCH, RELEASE, output_options, parse_releases
from machochain.cli.output import Output, say
from machochain.model.errors import InputError, UsageError, guess
from machochain.model.paths import HostPath, leaf, printable

if TYPE_CHECKING:
    from machochain.world.system.catalogue import EmbeddedCatalogue

_SDK = click.option(
    "--sdk", "sdks", multiple=True, metavar="DIR", type=PLACE, help="An SDK besides the embedded facts. Repeatable."
)
_ORIGIN = "Where the SDK came from; kept as provenance."


@click.group("sdk")
def command() -> None:
    r"""Look at SDKs and at the embedded facts on system libraries.

    \b
    machochain sdk show /usr/lib/libz.dylib
    machochain sdk index MacOSX15.sdk -o facts.json
    machochain sdk index /System/Cryptexes/OS/System/Library/dyld/dyld_shared_cache_arm64e -o facts.json
    machochain sdk catalogue --add facts.json -o my.catalogue   (then: --sdk my.catalogue)
    """


@command.command("index")
@click.argument("source", metavar="PATH", type=PLACE)
@click.option(
    "--macos", metavar="VERSION", type=RELEASE, help="Of a shared cache: the macOS it is of, where it does not say."
)
@click.option("--origin", default="", metavar="TEXT", help=_ORIGIN)
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of this SDK's list of libraries.")
@output_options("json")
def index(source: str, macos: str | None, origin: str, output: Output, *, no_cache: bool) -> None:
    """Write the facts of an SDK or a shared cache (names, versions, symbols; no file of it) for --sdk or the catalogue.

    PATH is an SDK's folder, or the main file of a dyld shared cache (dyld_shared_cache_ARCH), its others beside it.
    """
    from machochain.world.system.catalogue import EmbeddedCatalogue
    from machochain.world.system.sdk import Sdk
    from machochain.world.system.sdk_report import index_sdk, quality

    if Path(source).is_file():
        _index_cache(source, macos, origin, output)
        return
    if macos is not None:
        raise click.UsageError("--macos is for shared caches: an SDK says which macOS it is for")
    sdk = Sdk(HostPath(source), cache=not no_cache)
    catalogue = EmbeddedCatalogue()
    output.write(json.dumps(index_sdk(sdk, catalogue, origin=origin)) + "\n")
    for note in quality(sdk.quality(catalogue))["notes"]:
        complain(f"{source}: {note}")


def _index_cache(path: str, macos: str | None, origin: str, output: Output) -> None:
    from machochain.world.system.sdk_report import index_cache
    from machochain.world.system.shared_cache import SharedCache

    version = parse_releases((macos,), several=False)[0] if macos is not None else None
    with SharedCache(HostPath(path)) as cache:
        document = index_cache(cache, version=version, origin=origin)
        newer = cache.newer
    output.write(json.dumps(document) + "\n")
    if newer:
        complain(f"{path}: newer than the format known here; the fields that are known were read")


def _full_name(library: str) -> str:
    """Return the install name behind a bare name such as ``libz.dylib`` or ``Security``.

    Raises:
        UsageError: None or several libraries have that name.
    """
    if "/" in library:
        return library
    catalogue = _catalogue()
    frameworks = "/System/Library/Frameworks"
    likely = (
        f"/usr/lib/{library}",
        f"/usr/lib/{library}.dylib",
        f"{frameworks}/{library}.framework/{library}",
        f"/usr/lib/swift/{library}",
    )
    for path in likely:
        if catalogue.canonical(path) is not None:
            return path
    named = [path for path in catalogue.libraries() if leaf(path) == library]
    if len(named) == 1:
        return named[0]
    near = guess(library, {leaf(path) for path in catalogue.libraries()})
    path = f"give its path, such as /usr/lib/libz.1.dylib{near}"
    wanted = f"which one: {', '.join(named[:5])}" if named else path
    raise UsageError(f"{len(named) or 'no'} libraries of the OS are named {library!r}; {wanted}")


@command.command("show")
@click.argument("library", metavar="LIB")
@click.option(
    "--macos", multiple=True, metavar="VERSION", type=RELEASE, help="Releases to answer for. Default: one per dyld."
)
@_SDK
@output_options("text", "json")
def show(library: str, macos: tuple[str, ...], sdks: tuple[str, ...], output: Output) -> None:
    """Say everything known of one system library: since when, under which names, how sure."""
    from machochain.world.system.sdk_report import show as facts_of

    releases = parse_releases(macos or ("11..26",), several=True)
    document = facts_of(_full_name(library), releases, _sdks(sdks), _catalogue())
    output.write(json.dumps(document, indent=2) + "\n" if output.format == "json" else _show_text(document))


@command.command("symbols")
@click.argument("library", metavar="LIB")
@click.option("--arch", metavar="ARCH", type=ARCH, help="Only what this architecture gets (SDKs only).")
@_SDK
@output_options("text", "json")
def symbols(library: str, arch: str | None, sdks: tuple[str, ...], output: Output) -> None:
    """List the symbols of one system library and the SDKs that have them."""
    from machochain.world.system.sdk_report import symbols as symbols_of

    document = symbols_of(_full_name(library), _sdks(sdks), _catalogue(), arch=arch)
    if document["source"] is None:
        raise InputError("no symbols of this library are known", path=library)
    if output.format == "json":
        output.write(json.dumps(document, indent=2) + "\n")
        return
    lines = []
    for item in document["symbols"]:
        where = _evidence(item) if "sdks" in item else ", ".join(item["archs"])
        lines.append(f"{item['name']}  {where}")
    output.write(_shown(lines))


def _evidence(item: dict[str, Any]) -> str:
    """Say what the catalogue knows of one symbol: SDKs, and what else speaks for or against it."""
    more = []
    if item["introduced"] is not None:
        more.append(f"since {item['introduced']}")
    if item["declared_in"] is not None:
        more.append(f"declared up to {item['declared_in']}")
    if item["observed"] is not None:
        more.append(f"imported up to {item['observed'][1]}")
    if item["missing_on"] is not None:
        more.append(f"missing on {item['missing_on']}")
    if len(item["archs"]) == 1:
        more.append(f"{item['archs'][0]} only")
    return "; ".join([", ".join(item["sdks"]) or "no stub", *more])


@command.command("catalogue")
@click.option(
    "--add",
    "facts",
    multiple=True,
    metavar="FACTS",
    type=PLACE,
    help="Output of sdk index to add; needs -o. Repeatable.",
)
@output_options("text", "json")
def catalogue(facts: tuple[str, ...], output: Output) -> None:
    """Say what the embedded facts cover, or add an SDK's to them."""
    from machochain.world.system.coverage import coverage, releases
    from machochain.world.system.sdk_report import catalogue_summary

    if facts:
        from machochain.world.system.catalogue import EMBEDDED
        from machochain.world.system.opening import merged

        if output.path is None:
            raise click.UsageError("--add needs -o FILE")
        built = merged(EMBEDDED, [HostPath(f) for f in facts])
        Path(output.path).write_bytes(built.read_bytes())
        return
    known = _catalogue()
    document = catalogue_summary(known) | {"releases": coverage(known, releases(known))}
    if output.format == "json":
        output.write(json.dumps(document, indent=2) + "\n")
        return
    lines = [f"{document['libraries']} libraries", "", f"{'SDK':<8}{'libraries':>10}{'private':>9}  complete below"]
    for sdk in document["sdks"]:
        below = ", ".join(sdk["complete_below"]) or "nothing: single libraries only"
        lines.append(f"{sdk['sdk']:<8}{sdk['libraries']:>10}{sdk['private']:>9}  {below}")
    lines += ["", f"{'macOS':<8}{'public':<10}{'witnessed':>10}{'inferred':>10}{'absent':>10}{'not known':>10}"]
    for release in document["releases"]:
        for what in ("libraries", "symbols"):
            numbers = "".join(f"{number:>10}" for number in release[what].values())
            lines.append(f"{release['macos']:<8}{what:<10}{numbers}")
    lines += ["", "witnessed: an SDK of that major release has it; inferred: other evidence, see docs/sdk.md"]
    output.write("\n".join(lines) + "\n")


@command.command("diff")
@click.argument("old", metavar="OLD", type=Spooled())
@click.argument("new", metavar="NEW", type=Spooled())
@output_options("text", "json")
@click.pass_context
def diff(ctx: click.Context, old: str, new: str, output: Output) -> None:
    """Say what changed from one SDK to another; exits with 1 if anything did.

    OLD and NEW are SDK folders, documents of sdk index, or shared caches.
    """
    from machochain.world.system.sdk_report import diff as changes

    document = changes(_side(old), _side(new))
    if output.format == "json":
        output.write(json.dumps(document, indent=2) + "\n")
    else:
        output.write(_diff_text(document))
    ctx.exit(EXIT_FINDINGS if document["added"] or document["removed"] or document["changed"] else 0)


@command.command("clear-cache")
def clear_cache() -> None:
    """Remove what is kept on disk of SDKs that were looked at."""
    from machochain.world.system.kept import clear_cache as clear

    say((f"{clear()} files removed\n",))


def _side(path: str) -> Any:
    from machochain.world.system.opening import read_document
    from machochain.world.system.sdk import Sdk

    return (path, read_document(HostPath(path))) if Path(path).is_file() else Sdk(HostPath(path))


def _sdks(folders: tuple[str, ...]) -> list[Any]:
    from machochain.world.system.sdk import Sdk

    return [Sdk(HostPath(folder)) for folder in folders]


def _catalogue() -> EmbeddedCatalogue:
    from machochain.world.system.catalogue import EmbeddedCatalogue

    return EmbeddedCatalogue()


def _shown(lines: list[str]) -> str:
    """Return lines as a terminal may have them: names in stubs are whatever their authors wrote."""
    return "".join(f"{printable(line)}\n" for line in lines)


def _show_text(document: dict[str, Any]) -> str:
    lines = [document["path"]]
    if document["canonical"] and document["canonical"] != document["path"]:
        lines.append(f"  is {document['canonical']}")
    lines += [f"  macOS {a['macos']:<7}{a['presence']:<9}{a['why']}" for a in document["releases"]]
    facts = document["catalogue"]
    if facts is not None and facts["sdks"]:
        lines.append(f"  in the SDKs {', '.join(facts['sdks'])}")
    for stub in document["stubs"]:
        name = f"SDK {stub['sdk']}" if stub["sdk"] is not None else f"sysroot {stub['root']}"
        lines.append(f"  in the {name}: {stub['current_version']} ({', '.join(stub['targets'])})")
    return _shown(lines)


def _diff_text(document: dict[str, Any]) -> str:
    lines = [f"+ {name}" for name in document["added"]] + [f"- {name}" for name in document["removed"]]
    for item in document["changed"]:
        lines.append(f"~ {item['install_name']}")
        if "versions" in item:
            (a, b), (c, d) = item["versions"]
            lines.append(f"    version {a} ({b}) -> {c} ({d})")
        for key in ("targets", "reexports", "symbols"):
            lines += [f"    {sign} {name}" for sign, group in (("+", "added"), ("-", "removed"))
                      for name in item.get(key, {}).get(group, ())]  # fmt: skip
    return _shown(lines or ["no difference"])
