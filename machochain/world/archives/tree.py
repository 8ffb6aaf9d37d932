"""What an archive's entries become in a temporary folder: nothing outside it, no more than the limits allow.

No link is made before every file is written, so no name can lead through one; then only links that stay inside are
made. Names that the modelled Mac takes for one (APFS ignores case and Unicode normalisation) are one here too,
whatever this machine's volume does.
"""

# A host path is the raw string; pathlib would rewrite it, and costs more than the call.
# ruff: noqa: PTH102, PTH108, PTH118, PTH123

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Final

from machochain.macho.kind import FileKind, kind_of
from machochain.model.artifact import ArtifactEntry, ArtifactEntryKind
from machochain.model.errors import InputError
from machochain.model.paths import HostPath, printable
from machochain.model.value import Factory, define, evolve
from machochain.world.archives.budget import Budget
from machochain.world.archives.compression import CHUNK, HEAD, Read
from machochain.world.archives.links import Node, make_links
from machochain.world.archives.names import Refused, entry_names, plain_name
from machochain.world.filesystem import fold_name

PROBLEMS: Final = 100
"""So many problems are told one by one; the rest is counted."""

WHOLE_NAMES: Final = frozenset(
    {"Info.plist", "WHEEL", "METADATA", "package.json", "index.json", "INSTALL_RECEIPT.json"}
)
"""Names of files that say what a package is; they are kept whole."""
_WHOLE_LIMIT: Final = 4 << 20
_ZEROS: Final = bytes(CHUNK)

NEVER_LOADED: Final = frozenset({
    "c", "cc", "cfg", "class", "cpp", "css", "csv", "cxx", "f", "f90", "gif", "h", "hh", "hpp", "html", "ico", "ini",
    "java", "jpeg", "jpg", "js", "json", "lua", "map", "md", "mjs", "cjs", "npy", "npz", "pdf", "pl", "png", "pxd",
    "py", "pyc", "pyi", "pyx", "rb", "rst", "sh", "svg", "svgz", "toml", "ts", "ttf", "txt", "typed", "woff", "woff2",
    "xml", "yaml", "yml", "go", "icns", "jsx", "kt", "less", "m", "mm", "nib", "po", "properties", "proto", "rs",
    "scala", "scss", "strings", "swift", "tsx", "wasm", "webp", "xib", "qm", "qml", "qmltypes", "metainfo", "xcprivacy",
})  # fmt: skip
"""Endings of names that no load command has: such files are in the table of entries, but not in the folder.

Making a file costs more than all the rest of its handling, and these are nine in ten.
"""


@define
class Tree:
    """The files of one archive in a temporary folder.

    Attributes:
        root: The folder; it exists and is empty.
        budget: What it may cost.
        entries: What was met so far.
        problems: What could not be read or was refused.
        cpus: cputypes of the thin Mach-O files.
        complete: Whether everything that is in the archive was met.
        name: What the archive is called, folders left out.
        packed: Whether a file that begins so, and is called so, may be an archive.
        is_root: Whether its top is the Mac's ``/``, so that absolute links stay in it.
        opens: Whether archives in this one are looked into.
        candidates: Entries that may be archives: index and where they are. They are kept whole if they are looked into.
        passed: Names of parts that may hold files, but are not read, and why.
    """

    root: HostPath
    budget: Budget
    name: str = ""
    packed: Callable[[bytes, str], bool] = lambda *_: False
    opens: bool = False
    is_root: bool = False
    entries: list[ArtifactEntry] = Factory(list)
    problems: list[InputError] = Factory(list)
    cpus: set[int] = Factory(set)
    complete: bool = True
    candidates: dict[int, str] = Factory(dict)
    passed: list[tuple[str, InputError]] = Factory(list)
    _missed: int = 0
    _top: Node = Factory(lambda self: Node("", self.root, below={}, there=True), takes_self=True)

    def problem(self, reason: str, entry: str | None = None, *, offset: int | None = None) -> None:
        """Note that something could not be read."""
        if len(self.problems) < PROBLEMS:
            part = None if entry is None else printable(entry)
            self.problems.append(InputError(reason, path=self.budget.archive, part=part, offset=offset))
        else:
            self._missed += 1

    def pass_over(self, name: str, why: InputError) -> None:
        """Note a part that may hold files and is not read."""
        self.budget.count()
        self.passed.append((plain_name(name), why))

    def finish(self) -> None:
        """Make the links; no file can be written after this."""
        make_links(self._top, self.entries, self.budget, is_root=self.is_root)
        if self._missed:
            self.problems.append(InputError(f"{self._missed} more problems", path=self.budget.archive))

    def add_directory(self, name: str, at: list[str] | None = None) -> None:
        """Note a directory; ``at`` is where it goes, if not where it says."""
        self.budget.count()
        try:
            self._directory(entry_names(name, self.budget.limits) if at is None else at)
        except Refused as error:
            self._refuse(name, ArtifactEntryKind.DIRECTORY, str(error))
            return
        self.entries.append(ArtifactEntry(plain_name(name), ArtifactEntryKind.DIRECTORY))

    def add_special(self, name: str, what: str) -> None:
        """Note a device or the like: it is never made."""
        self.budget.count()
        self.entries.append(ArtifactEntry(plain_name(name), ArtifactEntryKind.SPECIAL, note=f"left out: {what}"))

    def add_oversized(self, name: str, size: int) -> None:
        """Note a file that is longer than one may be."""
        self.budget.count()
        why = f"is longer than {self.budget.limits.file_bytes} bytes (limit file_bytes)"
        try:
            node = self._leaf(entry_names(name, self.budget.limits))
        except Refused as error:
            self._refuse(name, ArtifactEntryKind.FILE, str(error), size)
            return
        node.index = len(self.entries)
        self._refuse(name, ArtifactEntryKind.FILE, why, size, node=node)

    def add_left_out(self, name: str, size: int, why: str) -> None:
        """Note a file that is no part of what users will have."""
        self.budget.count()
        self.entries.append(ArtifactEntry(plain_name(name), ArtifactEntryKind.FILE, size, note=f"left out: {why}"))

    def add_link(self, name: str, link: str) -> None:
        """Note a symbolic link; it is made by `finish`."""
        self.budget.count()
        try:
            node = self._leaf(entry_names(name, self.budget.limits))
        except Refused as error:
            self._refuse(name, ArtifactEntryKind.LINK, str(error), link=link)
            return
        node.link = link
        node.index = len(self.entries)
        self.entries.append(ArtifactEntry(plain_name(name), ArtifactEntryKind.LINK, link=link))

    def add_hard_link(self, name: str, link: str) -> None:
        """Give a file that was met before another name."""
        self.budget.count()
        kind = ArtifactEntryKind.HARD_LINK
        node: Node | None = None
        try:
            names = entry_names(name, self.budget.limits)
            source = self._known(entry_names(link, self.budget.limits))
            known = self._known(names)
            if known is None or known is not source:
                node = self._leaf(names)
                node.index = len(self.entries)
            if source is None or node is None or not source.there or source.below is not None:
                self._refuse(
                    name, kind, f"is a hard link to {printable(link)}, no file before it", link=link, node=node
                )
                return
            target = self.entries[source.index]
            os.link(source.host, node.host, follow_symlinks=False)
        except Refused as error:
            self._refuse(name, kind, str(error), link=link, node=node)
            return
        except OSError as error:
            self._refuse(name, kind, f"cannot be unpacked: {error.strerror}", link=link, node=node)
            return
        node.there = True
        self.entries.append(
            ArtifactEntry(plain_name(name), kind, target.size, link, HostPath(node.host), target.whole, target.macho)
        )

    def add_file(  # noqa: C901, PLR0912  # the order of its steps is the rule
        self,
        name: str,
        size: int,
        read: Read,
        *,
        at: list[str] | None = None,
        note: str | None = None,
        errors: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Unpack a file: whole if it matters, else its first bytes at its full length.

        Args:
            name: Its name in the archive.
            size: Its length as the archive states it; negative if it does not.
            read: Gives up to so many of its bytes, none at the end.
            at: Where it goes, if not where it says.
            note: What is peculiar about it.
            errors: What ``read`` raises on damaged data; the entry is a problem then.

        Raises:
            InputError: A limit is exceeded, or this machine's disk is full.
        """
        self.budget.count()
        kind = ArtifactEntryKind.FILE
        try:
            node = self._leaf(entry_names(name, self.budget.limits) if at is None else at)
        except Refused as error:
            self._refuse(name, kind, str(error))
            return
        node.index = len(self.entries)
        try:
            head = _read_head(read)
        except InputError:
            raise
        except errors as error:
            self._damaged(node, name, size, error)
            return
        self.budget.spend(len(head), name)
        macho = kind_of(head[:64]) is not FileKind.UNRECOGNISED
        leaf = node.name
        nested = not macho and self.packed(head, leaf)
        whole = macho or (nested and self.opens) or (leaf in WHOLE_NAMES and size <= _WHOLE_LIMIT)
        if whole and size > self.budget.limits.file_bytes:
            self._refuse(
                name, kind, f"is longer than {self.budget.limits.file_bytes} bytes (limit file_bytes)", size, node=node
            )
            return
        if macho and head[:4] in {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"}:
            self.cpus.add(int.from_bytes(head[4:8], "little"))
        if nested:
            self.candidates[node.index] = node.host
        if not whole and leaf.rpartition(".")[2].lower() in NEVER_LOADED:
            self.entries.append(ArtifactEntry(plain_name(name), kind, size, note=note))
            return
        try:
            with open(node.host, "xb") as out:
                node.there = True
                self.budget.store(len(head), name)
                out.write(head)
                written = len(head)
                if whole:
                    written += self._copy(read, out, name, errors)
                elif len(head) == HEAD and len(head) < size <= self.budget.limits.file_bytes:
                    out.truncate(size)
        except _Damaged as error:
            self._damaged(node, name, size, error.cause)
            return
        except OSError as error:
            raise InputError(
                f"cannot be unpacked: {error.strerror}", path=self.budget.archive, errno=error.errno or 0
            ) from error
        if size < 0:
            size = written
        if written < min(size, HEAD) or (whole and written != size):
            self._damaged(node, name, size, EOFError(f"holds {written} bytes where {size} are stated"))
            return
        self.entries.append(
            ArtifactEntry(
                plain_name(name), kind, size, None, HostPath(node.host), whole or size <= len(head), macho, note
            )
        )

    def _copy(self, read: Read, out: IO[bytes], name: str, errors: tuple[type[BaseException], ...]) -> int:
        """Copy the rest of a file; runs of zeros become holes, which take no room."""
        total = 0
        while True:
            try:
                data = read(CHUNK)
            except InputError:
                raise
            except errors as error:
                raise _Damaged(error) from error
            if not data:
                out.truncate()
                return total
            self.budget.spend(len(data), name)
            if data == _ZEROS[: len(data)]:
                out.seek(len(data), os.SEEK_CUR)
            else:
                self.budget.store(len(data), name)
                out.write(data)
            total += len(data)

    def _damaged(self, node: Node, name: str, size: int, error: BaseException) -> None:
        """Note a file that could not be read to its end; what was written of it goes away."""
        if node.there:
            os.unlink(node.host)
            node.there = False
        self._refuse(name, ArtifactEntryKind.FILE, _words(error), size, node=node)

    def _refuse(
        self,
        name: str,
        kind: ArtifactEntryKind,
        why: str,
        size: int = 0,
        *,
        link: str | None = None,
        node: Node | None = None,
    ) -> None:
        self.problem(why, name)
        lost = None if node is None else node.below_root(self._top)
        self.entries.append(ArtifactEntry(plain_name(name), kind, size, link, lost=lost, note=f"left out: {why}"))

    def _known(self, names: list[str]) -> Node | None:
        here: Node | None = self._top
        for name in names:
            if here is None or here.below is None:
                return None
            here = here.below.get(fold_name(name))
        return here

    def _directory(self, names: list[str]) -> Node:
        """Return a directory; it comes into being if it is not there yet.

        Raises:
            Refused: A file or link lies in the way.
        """
        here = self._top
        for name in names:
            assert here.below is not None
            key = fold_name(name)
            inside = here.below.get(key)
            if inside is None:
                self.budget.count_folder()
                inside = here.below[key] = Node(name, os.path.join(here.host, name), below={}, there=True)
                os.mkdir(inside.host, 0o700)
            elif inside.below is None:
                what = "a symbolic link" if inside.link is not None else "a file"
                raise Refused(f"{what} of the archive lies in its way: {printable(self.entries[inside.index].name)}")
            here = inside
        return here

    def _leaf(self, names: list[str]) -> Node:
        """Return the node for a file or link, in place of one that was there before.

        Raises:
            Refused: A directory lies there, or something lies in the way.
        """
        if not names:
            raise Refused("it has no name")
        folder = self._directory(names[:-1])
        assert folder.below is not None
        key = fold_name(names[-1])
        old = folder.below.get(key)
        if old is not None:
            if old.below is not None:
                raise Refused("a folder of the archive has the same name")
            self._replace(old, names[-1])
        node = folder.below[key] = Node(names[-1], os.path.join(folder.host, names[-1]))
        return node

    def _replace(self, old: Node, name: str) -> None:
        if old.there:
            os.unlink(old.host)
        self.candidates.pop(old.index, None)
        if old.index < len(self.entries):
            why = "the same name" if old.name == name else f"a name that APFS takes for the same, {printable(name)}"
            self.entries[old.index] = evolve(
                self.entries[old.index], host=None, whole=False, lost=None, note=f"replaced by a later entry of {why}"
            )


class _Damaged(Exception):  # noqa: N818  # carries another error past the handlers of this machine's own
    """The archive's data is damaged."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _words(error: BaseException) -> str:
    text = str(error).rstrip(".")
    return f"cannot be read: {text}" if text else f"cannot be read ({type(error).__name__})"


def _read_head(read: Read) -> bytes:
    head = b""
    while len(head) < HEAD:
        data = read(HEAD - len(head))
        if not data:
            break
        head += data
    return head
