"""What the model answers to a vector, and how that differs from dyld's answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from machochain.dyld.messages import NO_LIBDYLD, NO_LIBSYSTEM, UNKNOWN_UUID
from machochain.graph.driver import open_library, walk
from machochain.graph.symbol_tables import SymbolTables
from machochain.graph.symbols import binding_message
from machochain.graph.walked import Dlopen, Walk
from machochain.model.result import LoadedImage, Origin
from tests.vectors.macs import Process, System, process_of
from tests.vectors.reading import Vector, area
from tests.vectors.thresholds import threshold_texts

_LIBDYLD: Final = "/usr/lib/system/libdyld.dylib"
_LIBSYSTEM: Final = "/usr/lib/libSystem.B.dylib"


@frozen
class Difference:
    """One field in which the model's answer is not dyld's."""

    field: str
    expected: object
    answered: object


Replay = Callable[[Vector, bool], Iterator[Difference]]


def differences(vector: Vector, *, catalogue: bool = False) -> tuple[Difference, ...]:
    """Replay a vector; nothing is returned if the model agrees with dyld in every field that the vector has.

    Args:
        vector: One of any area.
        catalogue: Take the OS libraries that are shipped, not those of the vector.
    """
    try:
        return tuple(_REPLAYS[area(vector)](vector, catalogue))
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return (Difference("crash", None, f"{type(error).__name__}: {error}"),)


def is_classic(vector: Vector) -> bool:
    """Whether dyld2 made the vector."""
    return int(vector["dyld"].removeprefix("dyld-").partition(".")[0]) < 900


def _walked(vector: Vector, process: Process) -> Walk:
    call = vector.get("dlopen")
    if call is not None:
        opened = Dlopen(call["path"], call.get("mode", 2), call.get("caller"))
        return open_library(process.mac, process.main, process.config, opened, cwd=process.cwd)
    return walk(process.mac, process.main, process.config, cwd=process.cwd, complete=False)


def _search(vector: Vector, catalogue: bool) -> Iterator[Difference]:
    expect = vector["expect"]
    process = process_of(vector, catalogue=catalogue)
    walked = _walked(vector, process)
    if "message" not in expect:
        if walked.message is None:
            yield Difference("aborts", True, False)
        return
    yield from _compared("message", expect["message"], _shown(walked.message))
    if expect.get("launches") is not None:
        yield from _compared("launches", expect["launches"], walked.message is None)
    if is_classic(vector):
        if expect["message"] is None:  # a failed dlopen takes back what it loaded
            yield from _classic_loaded(expect["loaded"], walked)
        return
    loaded = [[origin, path] for origin, path in expect["loaded"] if path != _LIBDYLD]
    if loaded:  # nothing is listed if dyld ended before
        yield from _compared("loaded", loaded, _loaded(process, walked))
    searches = expect["searches"]
    answered = _searches(walked)
    if "dlopen" in vector:
        first = next((i for i, s in enumerate(answered) if s["path"] == vector["dlopen"]["path"]), None)
        yield from _compared("search", searches[:1], answered[first : first + 1] if first is not None else [])
    else:
        yield from _compared("searches", searches, answered)


def _compared(field: str, expected: object, answered: object) -> Iterator[Difference]:
    if expected != answered:
        yield Difference(field, expected, answered)


def _loaded(process: Process, walked: Walk) -> list[list[str]]:
    """The images in dyld's list order: inserted libraries stand before the main executable."""
    inserted = dict.fromkeys(x.to for x in walked.loads if x.inserted and x.to)
    images = [walked.images[i] for i in inserted] + [i for i in walked.images if i.id not in inserted]
    return [_named(image) for image in images if image.path != _LIBDYLD]


def _named(image: LoadedImage) -> list[str]:
    return [image.origin.value, image.path]


def _classic_loaded(expected: list[list[str]], walked: Walk) -> Iterator[Difference]:
    """dyld2 lists what cached libraries load as well, which no catalogue tells."""
    own = [_named(i) for i in walked.images]
    disk = [x for x in expected if x[0] == Origin.DISK.value]
    yield from _compared("loaded", disk, [x for x in own if x[0] == Origin.DISK.value])
    every = {_LIBDYLD, _LIBSYSTEM}
    system = {path for origin, path in expected if origin == Origin.OS.value}
    yield from _compared("loaded from the OS", system - every, {p for o, p in own if o == Origin.OS.value} - every)


def _searches(walked: Walk) -> list[dict[str, Any]]:
    found = []
    for request, result in walked.searches:
        if result.candidate is None and result.image is not None:
            continue  # an image that is loaded already answered by its name
        tried = [[a.candidate.path, a.candidate.rule.value] for a in result.tried]
        if result.candidate is not None:
            tried.append([result.candidate.path, result.candidate.rule.value])
        if request.path != _LIBDYLD:
            found.append({"path": request.path, "tried": tried})
    return found


_POINTERS: Final = re.compile(r"at 0x0 with mh=0x0|load commands end at 0x0")


def _shown(message: str | None) -> str | None:
    """A message as vectors have it: no addresses, no UUIDs of the OS."""
    if message is None:
        return None
    return _POINTERS.sub(lambda m: m[0].replace("0x0", "PTR"), message).replace(UNKNOWN_UUID, "OSUUID").rstrip("\n")


def _validity(vector: Vector, catalogue: bool) -> Iterator[Difference]:
    walked = _walked(vector, process_of(vector, catalogue=catalogue))
    if vector.get("aborts") or vector["expect"].get("aborts"):
        if walked.message is None:
            yield Difference("aborts", True, False)
        return
    yield from _compared("message", vector["expect"]["message"], _shown(walked.message))


def _symbols(vector: Vector, catalogue: bool) -> Iterator[Difference]:
    expect = vector["expect"]
    process = process_of(vector, catalogue=catalogue)
    tables = SymbolTables(process.mac, System.of(vector))
    call = vector.get("dlopen")
    if call is None:
        walked = walk(process.mac, process.main, process.config, cwd=process.cwd, complete=False)
        message = walked.message
        if message in {None, NO_LIBDYLD, NO_LIBSYSTEM}:  # libdyld is asked for after binding
            bound = binding_message(walked, process.config, tables)
            message = message if bound is None else bound
    else:
        opened = Dlopen(call["path"], call.get("mode", 2), call.get("caller"))
        message = opened_message(process, opened, tables)
    if expect.get("aborts"):
        yield from _compared("aborts", True, message is not None)
        return
    yield from _compared("message", expect["message"], _shown(message))
    if expect.get("launches") is not None and call is None:
        yield from _compared("launches", expect["launches"], message is None)


def opened_message(process: Process, opened: Dlopen, tables: SymbolTables) -> str | None:
    walked = open_library(process.mac, process.main, process.config, opened, cwd=process.cwd)
    if walked.message is not None:
        return walked.message
    return binding_message(walked, process.config, tables, opened)


def _threshold(vector: Vector, catalogue: bool) -> Iterator[Difference]:
    for sdk, expected in vector["text_by_sdk"]:
        yield from _compared(f"sdk {sdk}", expected, threshold_texts(vector, sdk))


_REPLAYS: Final[Mapping[str, Replay]] = {
    "search": _search,
    "dlopen": _search,
    "difference": _search,
    "validity": _validity,
    "symbols": _symbols,
    "thresholds": _threshold,
}
