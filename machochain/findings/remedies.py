"""Remedies as commands: text only, nothing is run."""

from __future__ import annotations

import posixpath

from machochain.model.image import Image
from machochain.model.paths import directory, leaf, printable
from machochain.model.shell import more_ldflags, quoted


def sign(path: str) -> str:
    """Return the command that signs an image ad hoc."""
    return f"codesign -f -s - {quoted(path)}"


def change(old: str, new: str, image: str) -> tuple[str, ...]:
    """Return the commands that make an image load a library by another path."""
    return (f"install_name_tool -change {quoted(old)} {quoted(new)} {quoted(image)} && {sign(image)}",)


def drop_run_path(run_path: str, image: str) -> tuple[str, ...]:
    """Return the commands that take a run path away."""
    return (f"install_name_tool -delete_rpath {quoted(run_path)} {quoted(image)} && {sign(image)}",)


def replace_run_path(old: str, new: str, image: str) -> tuple[str, ...]:
    """Return the commands that put a run path in the place of another."""
    return (f"install_name_tool -rpath {quoted(old)} {quoted(new)} {quoted(image)} && {sign(image)}",)


def run_path_to(library: str, tail: str, image: str) -> str:
    """Return the run path by which an image finds a library at its place.

    Args:
        library: Where the library lies.
        tail: What follows ``@rpath/`` in the load path.
        image: Where the image lies.
    """
    base = library[: -len(tail) - 1] if library.endswith("/" + tail) else directory(library)
    return "@loader_path" + relative(base, directory(image))


def beside(library: str, image: str) -> str:
    """Return the load path by which an image names a library at its place, seen from the image's own."""
    return f"{run_path_to(library, leaf(library), image)}/{leaf(library)}"


def relative(path: str, start: str) -> str:
    """Return how to get from a directory to another: ``""`` or a text that starts with a slash."""
    way = posixpath.relpath(path or "/", start or "/")
    return "" if way == "." else f"/{way}"


def add_run_path(run_path: str, image: str, header: Image | None) -> tuple[str, ...]:
    """Return the ways to give an image a run path: now by a tool, or at its next build."""
    ways = [
        f"install_name_tool -add_rpath {quoted(run_path)} {quoted(image)} && {sign(image)}",
        f"or link with -Wl,-rpath,{quoted(run_path)}",
    ]
    if header is not None and is_go(header):
        ways.append(f"or build with {more_ldflags(f'-Wl,-rpath,{run_path}')} go build")
    return tuple(ways)


def reach(name: str, library: str, image: str, header: Image | None) -> tuple[str, ...]:
    """Return the ways to let an image find a library at its place that it asks for by ``@rpath``.

    A run path helps only where all that follows ``@rpath`` lies behind it; else the load path has to change. (A bare
    name may lie there by another one, as the library's place is its real path.)

    Args:
        name: The load path.
        library: Where the library lies.
        image: Where the image lies.
        header: Its headers, if they were read.
    """
    tail = name.partition("/")[2]
    if "/" not in tail or library.casefold().endswith("/" + tail.casefold()):
        return add_run_path(run_path_to(library, tail, image), image, header)
    return change(name, beside(library, image), image)


def is_go(image: Image) -> bool:
    """Whether the headers alone show that Go's toolchain made an image.

    Section names of Go 1.18 to 1.27: ``__go_buildinfo``, or where that was taken out ``__gopclntab``.
    """
    return b"__go_buildinfo\0" in image.raw or b"__gopclntab\0" in image.raw


def bundle(library: str, image: str) -> tuple[str, ...]:
    """Return the steps that ship a copy of a library beside an image."""
    name = leaf(library)
    return (
        f"put a copy of {printable(name)} into {printable(directory(image))}, or link it statically",
        *change(library, f"@loader_path/{name}", image),
    )
