"""How far the embedded catalogue can be trusted: ``python -m tests.accuracy [SDK ...] [--missing FILE ...]``.

Each SDK behind the catalogue is taken out, the catalogue is built again from what is left, and asked for what that SDK
says: what it has and what it lacks. The same is done with what Macs are known not to have. Printed for each: how many
statements are right, unknown and wrong. ``--missing`` takes lines of JSON, [install name, symbol, macOS, …], from which
the catalogue was not built.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machochain.model.filesystem import Presence, SymbolAnswer
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue

RIGHT, UNKNOWN, WRONG = "right", "unknown", "wrong"
Statement = tuple[str, bool, str]
"""What it is about (``library``, ``API`` that is declared somewhere, or another ``symbol``), whether
 it says presence, and what the catalogue makes of it."""


def verdict(presence: Presence, *, there: bool) -> str:
    """Compare an answer with what is the case."""
    if presence is Presence.UNSEEN:
        return UNKNOWN
    return RIGHT if (presence is Presence.PRESENT) is there else WRONG


@contextmanager
def without(documents: Iterable[dict[str, Any]], left_out: str) -> Iterator[EmbeddedCatalogue]:
    """Build a catalogue of all but one SDK, or (``macs``) of all but what Macs said."""
    told = {"missing", "missing_symbols"} if left_out == "macs" else set()
    kept = [
        {key: value for key, value in document.items() if key not in told}
        for document in documents
        if document.get("sdk") != left_out
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "catalogue.bin"
        file.write_bytes(build(kept))
        yield EmbeddedCatalogue(file)


def said_by(
    document: dict[str, Any], rest: EmbeddedCatalogue, shipped: EmbeddedCatalogue | None = None
) -> Iterator[tuple[Statement, str]]:
    """Yield what one SDK says of its release, judged by the rest, in words; the shipped facts tell what is API."""
    macos = Version.parse(document["low"])
    items = {item["install_name"]: item for item in document["libraries"]}
    for item in items.values():
        name = item["install_name"]
        yield ("library", True, verdict(rest.find(name, macos).presence, there=True)), name
        if item.get("symbols") is None:
            continue
        listed = set(item["symbols"])
        facts = shipped.symbols(name) if shipped is not None else ()
        api = {fact.name for fact in facts if fact.declared is not None or fact.introduced is not None}
        for symbol in sorted(listed):
            answer = rest.lookup(name, symbol, macos)
            what = "API" if symbol in api else "symbol"
            yield (what, True, verdict(told(answer, name), there=True)), f"{name} {symbol}: {answer.why}"
        passed_on = whole(name, items)
        if passed_on is None:
            continue  # what it passes on from a library this SDK does not list may well be there
        for symbol in sorted({fact.name for fact in rest.symbols(name)} - passed_on):
            answer = rest.lookup(name, symbol, macos)
            what = "API" if symbol in api else "symbol"
            yield (what, False, verdict(told(answer, name), there=False)), f"{name} {symbol}: {answer.why}"


def told(answer: SymbolAnswer, library: str) -> Presence:
    """Return what is made of an answer: what no stub of a framework ever listed may be there all the same."""
    if answer.presence is Presence.ABSENT and answer.present_in is None and not library.startswith("/usr/lib/"):
        return Presence.UNSEEN
    return answer.presence


def whole(name: str, items: dict[str, dict[str, Any]]) -> set[str] | None:
    """Return the symbols an SDK lists of a library and of all it passes on; None if it does not list all of them."""
    seen, waiting, found = set(), [name], set[str]()
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            item = items.get(each, {})
            if item.get("symbols") is None:
                return None
            found |= set(item["symbols"])
            waiting += item.get("reexports") or ()
    return found


def said_by_macs(rows: Iterable[list[str]], rest: EmbeddedCatalogue) -> Iterator[tuple[Statement, str]]:
    """Yield what somebody's Mac did not have, judged by the rest, in words."""
    for name, symbol, release, *_ in rows:
        answer = rest.lookup(name, symbol, Version.parse(release))
        statement = ("symbol", False, verdict(told(answer, name), there=False))
        yield statement, f"{name} {symbol} on macOS {release}: {answer.why}"


def table(source: str, said: Iterable[tuple[Statement, str]], show: int) -> Counter[Statement]:
    """Count and print statements; of those that are wrong some are shown."""
    counts: Counter[Statement] = Counter()
    shown: list[str] = []
    for statement, words in said:
        counts[statement] += 1
        if statement[2] == WRONG and len(shown) < show:
            shown.append(words)
    for what, there in sorted({key[:2] for key in counts}):
        numbers = [counts[what, there, result] for result in (RIGHT, UNKNOWN, WRONG)]
        says = "there" if there else "not there"
        print(f"{source:<8}{what:<9}{says:<11}" + "".join(f"{number:>9}" for number in numbers), flush=True)
    for words in shown:
        print(f"        wrong: {words}")
    return counts


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 1 if a statement on absence was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sources", nargs="*", metavar="SDK", help="ids of SDKs, or macs. Default: all.")
    parser.add_argument("--missing", action="append", type=Path, default=[], metavar="FILE")
    parser.add_argument("--show", type=int, default=3, metavar="N", help="wrong statements to show of each source")
    options = parser.parse_args(arguments)
    shipped = EmbeddedCatalogue()
    documents = shipped.documents()
    chosen = options.sources or [*(source.id for source in shipped.sources), "macs"]
    print(f"{'source':<8}{'':<9}{'it says':<11}{'right':>9}{'unknown':>9}{'wrong':>9}")
    total: Counter[Statement] = Counter()
    for source in chosen:
        with without(documents, source) as rest:
            if source == "macs":
                said = said_by_macs((row for d in documents for row in d.get("missing_symbols", ())), rest)
            else:
                said = said_by(next(d for d in documents if d.get("sdk") == source), rest, shipped)
            total += table(source, said, options.show)
    for path in options.missing:
        with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as lines:
            rows = [json.loads(line) for line in lines]
        total += table(path.name.partition("_")[0][:8], said_by_macs(rows, shipped), options.show)
    table("all", ((statement, "") for statement in total.elements()), 0)
    return int(any(number for (_, there, result), number in total.items() if there and result == WRONG))


if __name__ == "__main__":
    sys.exit(main())
