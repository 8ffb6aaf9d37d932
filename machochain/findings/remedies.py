"""Remedies that rules share, as values."""

from __future__ import annotations

import posixpath

from machochain.model.image import Image
from machochain.model.paths import directory, leaf
from machochain.model.remedy import FILE, Remedy, RemedyKind
from machochain.model.shell import more_ldflags, quoted


def advice(text: str, *, also: bool = False, file: str = "") -> Remedy:
    """Return a sentence for people.

    Args:
        text: The sentence. Names in it are words of a shell (`quoted`), so that pasting it runs nothing.
        also: Whether it may be done instead of what stands before it.
        file: Target path of a file that `FILE` in the sentence stands for.
    """
    return Remedy(RemedyKind.ADVICE, argument=text, value=file, also=also)


def command(text: str, *, also: bool = False) -> Remedy:
    """Return a command that changes none of the files that were looked at; its words are quoted already."""
    return Remedy(RemedyKind.COMMAND, argument=text, also=also)


def sign(image: str, identity: str = "") -> Remedy:
    """Return how an image is signed, ad hoc if no identity is named."""
    return Remedy(RemedyKind.SIGN, image, identity)


def change(old: str, new: str, image: str) -> tuple[Remedy, ...]:
    """Return how an image is made to load a library by another path; nothing if it is the same."""
    return (Remedy(RemedyKind.CHANGE_LOAD, image, old, new),) if old != new else ()


def set_install_name(new: str, image: str, *, also: bool = False) -> Remedy:
    """Return how a library is given another id."""
    return Remedy(RemedyKind.SET_INSTALL_NAME, image, value=new, also=also)


def drop_run_path(run_path: str, image: str) -> tuple[Remedy, ...]:
    """Return how a run path is taken away."""
    return (Remedy(RemedyKind.DELETE_RUN_PATH, image, run_path),)


def replace_run_path(old: str, new: str, image: str) -> tuple[Remedy, ...]:
    """Return how a run path is put in the place of another."""
    return (Remedy(RemedyKind.REPLACE_RUN_PATH, image, old, new),)


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


def add_run_path(run_path: str, image: str, header: Image | None) -> tuple[Remedy, ...]:
    """Return the ways to give an image a run path: now by a tool, or at its next build."""
    ways = [
        Remedy(RemedyKind.ADD_RUN_PATH, image, run_path),
        advice(f"link with -Wl,-rpath,{quoted(run_path)}", also=True),
    ]
    if header is not None and header.made_by_go:
        ways.append(command(f"{more_ldflags(f'-Wl,-rpath,{run_path}')} go build", also=True))
    return tuple(ways)


def reach(name: str, library: str, image: str, header: Image | None) -> tuple[Remedy, ...]:
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


def bundle(library: str, image: str) -> tuple[Remedy, ...]:
    """Return the steps that ship a copy of a library beside an image."""
    name = leaf(library)
    return (
        advice(f"put a copy of {quoted(name)} into {FILE}, or link it statically", file=directory(image) or "/"),
        *change(library, f"@loader_path/{name}", image),
    )
