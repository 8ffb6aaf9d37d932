r"""Go's build information: found, read, parsed, printed (Go 1.27, ``src/debug/buildinfo/buildinfo.go``).

The blob is 16-byte aligned: ``\xff Go buildinf:``, the pointer size, flags (bit 0 big endian, bit 1 inline), padding
to 32 bytes. Inline (Go 1.18 and newer): two strings follow, each with a varint length. Otherwise two pointers to Go
string headers stand in the header itself. The second string is framed by two 16-byte sentinels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from machochain.golang.quote import quote, quoted_prefix, unquote
from machochain.model.go import GoBuildInfo, GoFact, GoModule, GoTraces
from machochain.model.image import FileType, Image, Section, Segment
from machochain.model.reading import ReadAt, text
from machochain.model.value import evolve, frozen

MAGIC: Final = b"\xff Go buildinf:"
_HEADER: Final = 32
_ALIGN: Final = 16
_CHUNK: Final = 1 << 20
_LONGEST: Final = 16 << 20
"""No build has this much module information; a longer length is a broken one."""
_READ_WRITE: Final = 3
_SEARCHED: Final = 64 << 20
"""How much of read-only data is searched for a version, where nothing better is left."""

_TABLES: Final = {
    0xFFFFFFFB: (2, 15),
    0xFFFFFFFA: (16, 17),
    0xFFFFFFF0: (18, 19),
    0xFFFFFFF1: (20, None),
}
"""Magic of the function table -> minor releases of Go 1 that write it (``src/internal/abi/symtab.go``)."""

_RELEASE: Final = re.compile(rb"go1\.\d{1,2}(?:\.\d{1,2}|rc\d|beta\d)(?!\d)")
"""Go lays strings end to end, so anything but a digit may follow."""
_GO_SECTIONS: Final = ("__gopclntab", "__go_module", "__go_fipsinfo", "__gosymtab", "__typelink", "__itablink")
_CONTROL_OR_QUOTE: Final = re.compile(r'[ \t\r\n"`]')


@frozen
class _Span:
    """A range of the slice: where it begins, and where what belongs to it ends."""

    start: int
    size: int
    limit: int


def read_traces(image: Image, sections: Sequence[Section], read: ReadAt) -> GoTraces:
    """Find what Go left in an image.

    Args:
        image: The image.
        sections: Its sections, in file order.
        read: The bytes of its slice, offsets from the slice's start.

    Returns:
        The build information if there is any, else weaker marks; ``is_go`` is false if there is neither.

    Raises:
        InputError: Bytes that are there cannot be had.
    """
    facts: list[GoFact] = []
    evidence = list(_section_marks(sections))
    build = None
    for found, span in _candidates(image, sections):
        at = _find_magic(read, span)
        if at is None:
            if found.startswith("section"):
                facts.append(GoFact(f"the {found} holds no build information", span.start))
            continue
        evidence.insert(0, f"build information in the {found}")
        build = _read_blob(image, read, at, span.limit, facts)
        break
    traces = GoTraces(build=build, facts=tuple(facts), evidence=tuple(evidence))
    return _with_table(traces, sections, read) if build else _without_build_info(traces, sections, read)


def _section_marks(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        if section.name in _GO_SECTIONS:
            yield f"section {section.segment},{section.name}"


def _candidates(image: Image, sections: Sequence[Section]) -> Iterator[tuple[str, _Span]]:
    for section in sections:
        if section.name == "__go_buildinfo":
            limit = section.offset + section.size
            for segment in image.segments:
                # An object file has one segment without a name; the strings end with the section there.
                if segment.fileoff <= section.offset < segment.fileoff + segment.filesize and segment.name:
                    limit = segment.fileoff + segment.filesize
            yield f"section {section.segment},{section.name}", _Span(section.offset, section.size, limit)
            return
    if image.file_type == FileType.MH_OBJECT:
        return
    for segment in image.segments:
        # Go 1.26 and older, machoExe.DataStart: what is left to do where the section has lost its name.
        if segment.vmaddr and segment.filesize and segment.initprot == _READ_WRITE == segment.maxprot:
            # Any program has such a segment: without a mark of Go only its beginning is worth a look, for there
            # the linker puts the blob.
            size = segment.filesize if any(True for _ in _section_marks(sections)) else min(segment.filesize, _CHUNK)
            yield f"segment {segment.name}", _Span(segment.fileoff, size, segment.fileoff + segment.filesize)
            return


def _find_magic(read: ReadAt, span: _Span) -> int | None:
    start = span.start + -span.start % _ALIGN
    end = span.start + span.size
    while start < end:
        chunk = read(start, min(_CHUNK, end - start))
        at = chunk.find(MAGIC)
        while at >= 0:
            if at % _ALIGN == 0:
                # Aligned, so it never straddles two chunks.
                return start + at if start + at + _HEADER <= end else None
            at = chunk.find(MAGIC, at + 1)
        if len(chunk) < _CHUNK:
            return None
        start += _CHUNK
    return None


def _read_blob(image: Image, read: ReadAt, at: int, limit: int, facts: list[GoFact]) -> GoBuildInfo | None:
    header = read(at, _HEADER)
    if len(header) < _HEADER:
        facts.append(GoFact("the build information is cut off", at))
        return None
    inline = bool(header[15] & 2)
    if inline:
        version, behind = _inline_string(read, at + _HEADER, limit, "version", facts)
        modules, _ = _inline_string(read, behind, limit, "module information", facts) if behind else (None, 0)
    else:
        version, modules = _pointed_strings(image, read, at, header, facts)
    if not version:
        facts.append(GoFact("the build information names no Go version", at))
        return None
    info = GoBuildInfo(version=text(version), inline=inline, offset=at)
    framed = modules or b""
    if len(framed) >= 33 and framed[-17:-16] == b"\n":
        parsed, problem = parse_module_info(text(framed[16:-16]))
        if problem:
            facts.append(GoFact(problem, at))
        return evolve(parsed, version=info.version, inline=inline, offset=at)
    if framed:
        facts.append(GoFact("the module information has no frame", at))
    return info


def _inline_string(read: ReadAt, at: int, limit: int, what: str, facts: list[GoFact]) -> tuple[bytes | None, int]:
    length, shift = 0, 0
    for used, byte in enumerate(read(at, min(10, max(0, limit - at))), 1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if length > min(limit - at - used, _LONGEST):
                facts.append(GoFact(f"the {what} claims {length} bytes, more than there are", at))
                return None, 0
            content = read(at + used, length)
            if len(content) < length:
                facts.append(GoFact(f"the {what} is cut off", at))
                return None, 0
            return content, at + used + length
    facts.append(GoFact(f"the length of the {what} is no number", at))
    return None, 0


def _pointed_strings(
    image: Image, read: ReadAt, at: int, header: bytes, facts: list[GoFact]
) -> tuple[bytes | None, bytes | None]:
    width = header[14]
    if width not in (4, 8):
        facts.append(GoFact(f"the build information has pointers of {width} bytes", at))
        return None, None
    order = "big" if header[15] & 1 else "little"

    def number(raw: bytes) -> int:
        return int.from_bytes(raw, "big" if order == "big" else "little")

    strings: list[bytes | None] = []
    for index, what in enumerate(("version", "module information")):
        pointer = number(header[16 + index * width : 16 + (index + 1) * width])
        place = _file_offset(image, pointer)
        words = b"" if place is None else read(place[0], 2 * width)
        if place is None or len(words) < 2 * width:
            if pointer:
                facts.append(GoFact(f"the {what} is at {pointer:#x}, which is not in the file", at))
            strings.append(None)
            continue
        start, length = _file_offset(image, number(words[:width])), number(words[width:])
        if length == 0:
            strings.append(b"")
        elif start is None or length > min(start[1], _LONGEST):
            facts.append(GoFact(f"the {what} claims {length} bytes, more than there are", place[0]))
            strings.append(None)
        else:
            content = read(start[0], length)
            strings.append(content if len(content) == length else None)
            if len(content) < length:
                facts.append(GoFact(f"the {what} is cut off", place[0]))
    return strings[0], strings[1]


def _file_offset(image: Image, pointer: int) -> tuple[int, int] | None:
    """Return (file offset, bytes left in the segment) for a pointer as it stands in the file."""
    addresses = [pointer]
    if image.linkedit.chained_fixups is not None:
        # A link of a chain: the low 36 bits are the address, or its distance from the image's start
        # (dyld-1378, mach_o/ChainedFixups: DYLD_CHAINED_PTR_64 and _64_OFFSET).
        target = pointer & 0xFFFFFFFFF
        base = next((each.vmaddr for each in image.segments if each.name == "__TEXT"), 0)
        addresses += [target, target + base]
    for address in addresses:
        for segment in image.segments:
            if segment.name != "__PAGEZERO" and segment.vmaddr <= address < segment.vmaddr + segment.filesize:
                return _in_segment(segment, address)
    return None


def _in_segment(segment: Segment, address: int) -> tuple[int, int]:
    into = address - segment.vmaddr
    return segment.fileoff + into, segment.filesize - into


def parse_module_info(lines: str) -> tuple[GoBuildInfo, str | None]:
    """Parse the lines of the module information (``runtime/debug.ParseBuildInfo``).

    Args:
        lines: The text between the sentinels, every line ended by a newline.

    Returns:
        What could be read, with an empty version, and why reading stopped early (None if it did not).
    """
    info = GoBuildInfo(version="")
    settings: list[tuple[str, str]] = []
    dependencies: list[GoModule] = []
    replaceable: str | None = None
    problem = None
    for number, line in enumerate(lines.split("\n")[:-1], 1):
        word, _, rest = line.partition("\t")
        if not rest and "\t" not in line:
            continue
        try:
            if word == "path":
                info = evolve(info, path=rest)
            elif word == "mod":
                main = _module(rest, exactly=None)
                info = evolve(info, main=main if main != GoModule("") else None)
                replaceable = "mod"
            elif word == "dep":
                dependencies.append(_module(rest, exactly=None))
                replaceable = "dep"
            elif word == "=>":
                replacement = _module(rest, exactly=3)
                if replaceable == "mod" and info.main is not None:
                    info = evolve(info, main=evolve(info.main, replaced_by=replacement))
                elif replaceable == "dep":
                    dependencies[-1] = evolve(dependencies[-1], replaced_by=replacement)
                else:
                    raise ValueError("a replacement without a module before it")  # noqa: TRY301  # one way out
                replaceable = None
            elif word == "build":
                settings.append(_setting(rest))
        except ValueError as error:
            problem = f"line {number} of the module information: {error}"
            break
    return evolve(info, dependencies=tuple(dependencies), settings=tuple(settings)), problem


def _module(columns: str, *, exactly: int | None) -> GoModule:
    parts = columns.split("\t")
    if len(parts) != exactly if exactly else len(parts) not in (2, 3):
        raise ValueError(f"a module has {exactly or '2 or 3'} columns, not {len(parts)}")
    return GoModule(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def _setting(line: str) -> tuple[str, str]:
    if line[:1] in ('"', "`"):
        quoted = quoted_prefix(line)
        key = unquote(quoted) if quoted else None
        if quoted is None or key is None or line[len(quoted) : len(quoted) + 1] != "=":
            raise ValueError("a setting's quoted key is broken")
        raw = line[len(quoted) + 1 :]
    else:
        key, found, raw = line.partition("=")
        if not found or not key or _CONTROL_OR_QUOTE.search(key):
            raise ValueError("a setting has no key")
    if raw[:1] not in ('"', "`"):
        if _CONTROL_OR_QUOTE.search(raw):
            raise ValueError("a setting's value lacks its quotes")
        return key, raw
    value = unquote(raw)
    if value is None:
        raise ValueError("a setting's quoted value is broken")
    return key, value


def format_build_info(info: GoBuildInfo, name: str) -> str:
    """Return what ``go version -m NAME`` prints, newline at the end included."""
    lines = [f"{name}: {info.version}"]
    if info.path:
        lines.append(f"\tpath\t{info.path}")
    if info.main is not None:
        lines += _module_lines("mod", info.main)
    for each in info.dependencies:
        lines += _module_lines("dep", each)
    for key, value in info.settings:
        shown = quote(key) if not key or "=" in key or _CONTROL_OR_QUOTE.search(key) else key
        lines.append(f"\tbuild\t{shown}={quote(value) if _CONTROL_OR_QUOTE.search(value) else value}")
    return "".join(f"{line}\n" for line in lines)


def _module_lines(word: str, module: GoModule) -> list[str]:
    if module.replaced_by is None:
        return [f"\t{word}\t{module.path}\t{module.version}\t{module.sum}"]
    # Go 1.27 prints an empty line behind a replacement: formatMod ends both its own line and the nested one.
    return [f"\t{word}\t{module.path}\t{module.version}", *_module_lines("=>", module.replaced_by), "\t"]


def _with_table(traces: GoTraces, sections: Iterable[Section], read: ReadAt) -> GoTraces:
    for section in sections:
        if section.name == "__gopclntab":
            magic = int.from_bytes(read(section.offset, 4), "little")
            if magic in _TABLES:
                oldest, newest = _TABLES[magic]
                return evolve(traces, oldest=oldest, newest=newest)
            fact = GoFact(f"the function table begins with {magic:#010x}, which no known Go writes", section.offset)
            return evolve(traces, facts=(*traces.facts, fact))
    return traces


def _without_build_info(traces: GoTraces, sections: Sequence[Section], read: ReadAt) -> GoTraces:
    traces = _with_table(traces, sections, read)
    evidence = list(traces.evidence)
    if traces.oldest is not None:
        newest = "and newer" if traces.newest is None else f"to 1.{traces.newest}"
        evidence.append(f"the function table has the form of Go 1.{traces.oldest} {newest}")
    for section in sections:
        if (section.segment, section.name) == ("__TEXT", "__text"):
            head = read(section.offset, 256)
            if b'\xff Go build ID: "' in head:
                evidence.append("a Go build id at the start of __TEXT,__text")
        elif (section.segment, section.name) == ("__LLVM", "__asm") and section.size == 1:
            evidence.append("section __LLVM,__asm of one byte, the mark of a Go object the host linker linked")
    if not evidence:
        return traces
    named = _versions(sections, read)
    if named:
        evidence.append(f"no build information; the read-only data name {', '.join(named)}")
    else:
        evidence.append("no build information")
    # One name only is the runtime's own; several may come from tables of releases.
    return evolve(traces, evidence=tuple(evidence), version_hint=named[0] if len(named) == 1 else None)


def _versions(sections: Iterable[Section], read: ReadAt) -> list[str]:
    seen: dict[str, None] = {}
    left = _SEARCHED
    for section in sections:
        if section.name not in ("__rodata", "__const", "__go_rodata") or not section.offset:
            continue
        start, end = section.offset, section.offset + min(section.size, left)
        left -= end - start
        tail = b""
        while start < end:
            chunk = read(start, min(_CHUNK, end - start))
            if not chunk:
                break
            seen |= dict.fromkeys(match.decode() for match in _RELEASE.findall(tail + chunk))
            tail = chunk[-16:]
            start += len(chunk)
    return sorted(seen)[:16]
