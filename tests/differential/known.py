"""The list of known disagreements, and the page about them."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from tests.differential.headers import Facts
from tests.differential.packages import Package, packages
from tests.differential.tables import short

LIST: Final = Path(__file__).with_name("known.toml")
PAGE: Final = Path(__file__).parents[2] / "docs" / "differential.md"


@frozen
class Difference:
    """One field of one slice that another reader reads in another way than we do."""

    reader: str
    field: str
    file: str
    arch: str
    ours: str
    theirs: str


@frozen
class Known:
    """One entry of the list: a difference that is understood."""

    reader: str
    field: str
    packages: tuple[str, ...]
    right: str
    why: str
    files: str = ""

    def covers(self, package: Package, difference: Difference) -> bool:
        return (
            (self.reader, self.field) == (difference.reader, difference.field)
            and package.name in self.packages
            and re.search(self.files, difference.file) is not None
        )


@cache
def known() -> tuple[Known, ...]:
    """Return the list."""
    document = tomllib.loads(LIST.read_text())
    return tuple(Known(**{**entry, "packages": tuple(entry["packages"])}) for entry in document.get("disagreement", []))


def differences(reader: str, file: str, arch: str, ours: Facts, theirs: Facts) -> Iterator[Difference]:
    """Yield the fields of another reader that ours has other values for."""
    for field, value in theirs.items():
        if ours[field] != value:
            yield Difference(reader, field, file, arch, short(ours[field], value), short(value, ours[field]))


def judge(package: Package, fields: Iterable[str], reader: str, found: Sequence[Difference]) -> None:
    """Fail on differences that are not in the list, and on entries of the list that did not come up."""
    unexpected = [d for d in found if not any(each.covers(package, d) for each in known())]
    assert not unexpected, _told("unexpected", unexpected)
    looked_at = set(fields)
    stale = [
        each
        for each in known()
        if each.reader == reader
        and each.field in looked_at
        and package.name in each.packages
        and not any(each.covers(package, d) for d in found)
    ]
    assert not stale, _told("no longer so", stale)


def _told(what: str, items: Sequence[object]) -> str:
    return "\n".join([f"{len(items)} {what}:", *map(str, items[:5])])


def page() -> str:
    """Return docs/differential.md."""
    document: dict[str, Any] = tomllib.loads(LIST.read_text())
    return "\n".join(_lines(document)) + "\n"


def _lines(document: dict[str, Any]) -> Iterator[str]:
    count = Counter(each.registry for each in packages())
    yield "<!-- Made from tests/differential/known.toml by `python -m tests.differential`. -->\n"
    yield "# Other people's readers, field by field\n"
    yield from _wrapped(
        f"`pytest -m wheels tests/differential` reads {count.total()} packages ({count['pypi']} wheels from PyPI, "
        f"{count['npm']} packages from npm, pinned in `tests/differential/packages.txt`) with our own readers and with "
        "those of LIEF, macholib, LLVM and Go, and compares every field. " + document["measured"]["text"]
    )
    yield "\n| reader | what is compared with it |\n|---|---|"
    for row in document["compared"]:
        yield f"| {row['reader']} | {row['fields']} |"
    entries = known()
    yield "\n## Where they disagree\n"
    if not entries:
        yield "Nowhere, on these packages."
        return
    yield from _wrapped(
        "A difference that is not in this list fails the comparison, and so does an entry that is no longer needed."
    )
    for each in entries:
        yield f"\n### {each.reader}: {each.field}\n"
        yield f"Right: **{each.right}**. Seen in {', '.join(f'`{name}`' for name in each.packages)}.\n"
        yield from _wrapped(each.why)
    if document.get("trap"):
        yield "\n## What has to be known to compare at all\n"
        for trap in document["trap"]:
            yield from textwrap.wrap(
                f"- {trap['reader']}: {trap['text']}", 120, subsequent_indent="  ", break_on_hyphens=False
            )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)
