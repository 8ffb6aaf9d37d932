r"""Archives Go makes: package archives with their cgo pragmas, and c-archives.

Facts of Go 1.27: a package archive holds ``__.PKGDEF`` (header, export data), ``_go_.o`` (header, cgo section, code),
assembled objects, the empty members ``preferlinkext`` and ``dynimportfail``, then C objects ``_x001.o`` and on
(``cmd/go/internal/work/exec.go``). Every Go object begins with text that ends at ``\n!\n``; the cgo section in it runs
from ``\n$$  // cgo\n`` to ``\n$$`` and is JSON: a list of lists of words (``cmd/compile/internal/gc/obj.go``
dumpLinkerObj, read by ``cmd/link/internal/ld/go.go`` ldpkg).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from machochain.model.go import (
    Directive,
    DynamicLinker,
    ExportDynamic,
    ExportStatic,
    GoArchive,
    GoFact,
    GoObject,
    ImportDynamic,
    ImportStatic,
    LdFlag,
)
from machochain.model.reading import ReadAt, text

_MACHO: Final = frozenset({b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce"})
_GO_OBJECT: Final = b"go object "
_END: Final = b"\n!\n"
_EXPORTS: Final = b"\n$$B\n"
_CGO: Final = b"\n$$  // cgo"
_LONGEST_TEXT: Final = 8 << 20
"""The text of an object is a header and the pragmas of one package: runtime/cgo needs 3 KB."""
_CHUNK: Final = 64 << 10
_COMMANDS: Final = 32 << 10
"""Where the section names of a c-archive's ``go.o`` are looked for: its load commands take 2 KB."""
_C_ARCHIVE_MEMBER: Final = re.compile(r"\d{6}\.o")


def read_archive(members: Iterable[tuple[str, ReadAt]]) -> GoArchive | None:
    """Read what Go put into an archive.

    Args:
        members: (name, bytes of the member) in file order. Of an object only the text at its start is read.

    Returns:
        The archive, or None if Go did not make it.

    Raises:
        InputError: Bytes that are there cannot be had.
    """
    objects: list[GoObject] = []
    c_members: list[str] = []
    names: list[str] = []
    go_code_in_c = False
    for name, read in members:
        names.append(name)
        head = read(0, len(_GO_OBJECT))
        if head == _GO_OBJECT:
            objects.append(read_object(name, read))
        elif name == "go.o" and head[:4] in _MACHO:
            go_code_in_c = b"__go_buildinfo" in read(0, _COMMANDS)
        elif head[:4] in _MACHO or re.fullmatch(r"_x\d{3,}\.o", name) or _C_ARCHIVE_MEMBER.fullmatch(name):
            c_members.append(name)
    if objects:
        return GoArchive(
            kind="package",
            objects=tuple(objects),
            c_members=tuple(c_members),
            prefer_external="preferlinkext" in names,
            imports_unknown="dynimportfail" in names,
        )
    if go_code_in_c:
        return GoArchive(kind="c-archive", c_members=tuple(c_members))
    return None


def read_object(name: str, read: ReadAt) -> GoObject:
    """Read the text at the start of one Go object.

    Args:
        name: The member's name.
        read: Its bytes.

    Raises:
        InputError: Bytes that are there cannot be had.
    """
    facts: list[GoFact] = []
    body, exports = _text_part(read, facts)
    lines = body.split(b"\n", 8)
    header = text(lines[0])
    words = header.split(" ")
    goos, goarch, version = (*words[2:5], "", "", "")[:3]
    build_id = None
    main = False
    for line in lines[1:]:
        if not line:
            break
        main = main or line == b"main"
        match = re.fullmatch(rb'build id "(.*)"', line)
        build_id = text(match.group(1)) if match else build_id
    pragmas = _pragmas(body, facts)
    return GoObject(
        member=name,
        goos=goos,
        goarch=goarch,
        version=version,
        words=tuple(words[5:]),
        build_id=build_id,
        main=main,
        header=header,
        pragmas=pragmas,
        directives=tuple(each for words in pragmas if (each := _typed(words, facts)) is not None),
        has_export_data=exports,
        facts=tuple(facts),
    )


def _text_part(read: ReadAt, facts: list[GoFact]) -> tuple[bytes, bool]:
    body = bytearray()
    while len(body) < _LONGEST_TEXT:
        chunk = read(len(body), _CHUNK)
        searched = max(0, len(body) - len(_EXPORTS))
        body += chunk
        end, exports = body.find(_END, searched), body.find(_EXPORTS, searched)
        if exports >= 0 and not 0 <= end < exports:
            return bytes(body[:exports]), True
        if end >= 0:
            return bytes(body[: end + 1]), False
        if not chunk:
            break
    facts.append(GoFact("the text at the start of the Go object does not end", len(body)))
    # What follows the header cannot be told from code then; the pragmas are still looked for in it.
    return bytes(body), False


def _pragmas(body: bytes, facts: list[GoFact]) -> tuple[tuple[str, ...], ...]:
    mark = body.find(_CGO)
    if mark < 0:
        return ()
    start = body.find(b"\n", mark + 1)
    end = body.find(b"\n$$", start) if start >= 0 else -1
    if end < 0:
        facts.append(GoFact("the cgo section does not end", mark + 1))
        end = len(body)
    if start < 0:
        return ()
    raw = body[start + 1 : end]
    try:
        # The linker's decoder reads one value and ignores what follows it.
        value, _ = json.JSONDecoder().raw_decode(text(raw).lstrip())
    except (ValueError, RecursionError) as error:
        where = start + 1 + (error.pos if isinstance(error, json.JSONDecodeError) else 0)
        facts.append(GoFact("the cgo section is no JSON", where))
        return ()
    if not isinstance(value, list) or not all(_is_words(each) for each in value):
        facts.append(GoFact("the cgo section is no list of lists of words", start + 1))
        value = [each for each in value if _is_words(each)] if isinstance(value, list) else []
    return tuple(tuple(each) for each in value)


def _is_words(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _typed(words: Sequence[str], facts: list[GoFact]) -> Directive | None:
    """Type one directive; the numbers of words are those ``setCgoAttr`` of Go's linker accepts."""
    match list(words):
        case ["cgo_import_dynamic", local]:
            return ImportDynamic(local, local)
        case ["cgo_import_dynamic", local, remote, *library] if len(library) < 2:
            symbol, found, version = remote.partition("#")
            return ImportDynamic(local, symbol, library[0] if library else "", version if found else None)
        case ["cgo_import_static", local]:
            return ImportStatic(local)
        case ["cgo_export_static", local, *rest] if len(rest) < 3:
            return ExportStatic(local, rest[0] if rest else local, rest[1] if len(rest) > 1 else None)
        case ["cgo_export_dynamic", local, *rest] if len(rest) < 3:
            return ExportDynamic(local, rest[0] if rest else local, rest[1] if len(rest) > 1 else None)
        case ["cgo_ldflag", word]:
            return LdFlag(word)
        case ["cgo_dynamic_linker", path]:
            return DynamicLinker(path)
    facts.append(GoFact(f"the linker does not know the directive {' '.join(words)}"))
    return None
