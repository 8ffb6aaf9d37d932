"""What to do about a finding, as a value: worded last, for the reader at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import takewhile
from typing import Final

from machochain.model.location import Location
from machochain.model.paths import leaf
from machochain.model.shell import file_word, quoted
from machochain.model.value import frozen

FILE: Final = "\0"
"""What stands in a sentence for a file whose name depends on the reader; no name can hold it."""


class RemedyKind(Enum):
    """What is done; below each what the fields of `Remedy` mean."""

    ADD_RUN_PATH = "add-run-path"
    """``argument``: the run path."""
    DELETE_RUN_PATH = "delete-run-path"
    """``argument``: the run path."""
    REPLACE_RUN_PATH = "replace-run-path"
    """``argument``: the run path, ``value``: what takes its place."""
    DELETE_REPEATED_RUN_PATH = "delete-repeated-run-path"
    """``argument``: the run path, of which the first stays."""
    SPLIT_RUN_PATH = "split-run-path"
    """``argument``: a run path in which a colon stands between directories that are to be one run path each."""
    CHANGE_LOAD = "change-load"
    """``argument``: the load path, ``value``: what takes its place."""
    SET_INSTALL_NAME = "set-install-name"
    """``value``: the new install name."""
    PROTECT_CONSTANTS = "protect-constants"
    """``__DATA_CONST`` gets its SG_READ_ONLY flag."""
    ADD_UUID = "add-uuid"
    """An LC_UUID is added."""
    RETAG_WHEEL = "retag-wheel"
    """``argument``: the platform tag the wheel is to have."""
    SIGN = "sign"
    """``argument``: the identity; empty to sign ad hoc."""
    REMOVE_SLICE = "remove-slice"
    """``argument``: the architecture."""
    COMMAND = "command"
    """``argument``: another command, quoted; it changes none of the files that were looked at."""
    ADVICE = "advice"
    """``argument``: a sentence in which every name is a word of a shell; ``value``: see `Remedy.value`."""

    @property
    def edits(self) -> bool:
        """Whether it changes a Mach-O file's load commands, so that its signature has to be renewed."""
        return self in _EDITS

    @property
    def changes_file(self) -> bool:
        """Whether it changes the file that the finding is about."""
        return self in _EDITS or self in {RemedyKind.SIGN, RemedyKind.REMOVE_SLICE}


_EDITS: Final = frozenset(
    {
        RemedyKind.ADD_RUN_PATH,
        RemedyKind.DELETE_RUN_PATH,
        RemedyKind.REPLACE_RUN_PATH,
        RemedyKind.DELETE_REPEATED_RUN_PATH,
        RemedyKind.SPLIT_RUN_PATH,
        RemedyKind.PROTECT_CONSTANTS,
        RemedyKind.ADD_UUID,
        RemedyKind.CHANGE_LOAD,
        RemedyKind.SET_INSTALL_NAME,
    }
)


_WORDS: Final = {
    RemedyKind.PROTECT_CONSTANTS: "mark __DATA_CONST as read-only, which a current linker does",
    RemedyKind.ADD_UUID: "add an LC_UUID, which a linker writes by default",
    RemedyKind.RETAG_WHEEL: "tag the wheel for {}",
}
"""Of what no tool of Apple's does."""


@frozen
class Remedy:
    """One thing to do.

    Attributes:
        kind: What.
        image: Target path of the file it changes; empty if it changes none.
        argument: As the kind says.
        value: As the kind says. For advice the target path of a file that stands for `FILE` in the sentence.
        also: Whether it may be done instead of what stands before it.
    """

    kind: RemedyKind
    image: str = ""
    argument: str = ""
    value: str = ""
    also: bool = False


def mendable(remedies: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """Return what ``machochain fix`` does: what stands first, or if that is for a person, the first way that is not.

    What comes after advice is the end of what a person begins: a load path that is to lead to a copy which nobody has
    made yet, a signature after a new link. It mends nothing by itself.
    """
    given = tuple(remedies)
    first = takewhile(lambda r: r.kind is not RemedyKind.ADVICE, (r for r in given if not r.also))
    done = tuple(r for r in first if _can_be_done(r))
    return done or tuple(r for r in given if r.also and _can_be_done(r))[:1]


def _can_be_done(remedy: Remedy) -> bool:
    if remedy.kind is RemedyKind.SIGN:
        return not remedy.argument
    return remedy.kind.edits or remedy.kind is RemedyKind.RETAG_WHEEL


class StepKind(Enum):
    """Whether a step is for a shell or for a person."""

    COMMAND = "command"
    TEXT = "text"


@frozen
class Step:
    """A remedy in words.

    Attributes:
        kind: Whether a shell can run it. Text holds every name as one word of a shell, so that pasting it runs nothing.
        text: The command or the sentence.
        also: Whether it may be done instead of what stands before it.
    """

    kind: StepKind
    text: str
    also: bool = False

    @property
    def line(self) -> str:
        """The step among others: ``or`` before what may be done instead."""
        return f"or {self.text}" if self.also else self.text

    @property
    def pasted(self) -> str:
        """The step in a block that can be pasted as a whole: what is no command, or only another way, is a comment."""
        return f"# {self.line}" if self.also or self.kind is StepKind.TEXT else self.text


def steps(remedies: Iterable[Remedy], location: Location | None = None) -> tuple[Step, ...]:
    """Put remedies into words.

    Args:
        remedies: What to do.
        location: Where the file is that they change; None if nobody knows, its place on the Mac stands for it then.
    """
    given = tuple(remedies)
    worded = [Step(*_words(remedy, location), remedy.also) for remedy in given]
    if location is None or not location.packed or not any(_changes(r, location) for r in given):
        return tuple(worded)
    return (*_unpack(location), *worded, *_pack(location))


def _changes(remedy: Remedy, location: Location) -> bool:
    """Whether something in the archive becomes another: the file itself, or one that a person puts beside it."""
    if remedy.kind is RemedyKind.ADVICE:
        return bool(remedy.value) and location.beside(remedy.value) is not None
    return remedy.kind.changes_file


def _words(remedy: Remedy, location: Location | None) -> tuple[StepKind, str]:
    if remedy.kind is RemedyKind.ADVICE:
        other = _other(remedy.value, location)
        return StepKind.TEXT, remedy.argument.replace(FILE, file_word(other)) if other else remedy.argument
    if remedy.kind is RemedyKind.COMMAND:
        return StepKind.COMMAND, remedy.argument
    if remedy.kind in _WORDS:
        return StepKind.TEXT, _WORDS[remedy.kind].format(quoted(remedy.argument))
    file = file_word(remedy.image if location is None else f"{_folder(location)}{location.path}")
    return StepKind.COMMAND, _command(remedy, file)


def _other(place: str, location: Location | None) -> str:
    """Return how the reader names another file of the same tree; its place on the Mac where that is all there is."""
    near = location.beside(place) if location is not None and place else None
    return place if location is None or near is None else f"{_folder(location)}{near}"


def _command(remedy: Remedy, file: str) -> str:
    old, new = quoted(remedy.argument), quoted(remedy.value)
    match remedy.kind:
        case RemedyKind.ADD_RUN_PATH:
            edit = f"-add_rpath {old}"
        case RemedyKind.DELETE_RUN_PATH | RemedyKind.DELETE_REPEATED_RUN_PATH:
            edit = f"-delete_rpath {old}"
        case RemedyKind.REPLACE_RUN_PATH:
            edit = f"-rpath {old} {new}"
        case RemedyKind.SPLIT_RUN_PATH:
            parts = [f"-add_rpath {quoted(p)}" for p in remedy.argument.split(":") if p]
            edit = " ".join((f"-delete_rpath {old}", *parts))
        case RemedyKind.CHANGE_LOAD:
            edit = f"-change {old} {new}"
        case RemedyKind.SET_INSTALL_NAME:
            edit = f"-id {new}"
        case RemedyKind.REMOVE_SLICE:
            return f"lipo -remove {old} -output {file} {file}"
        case _:
            return f"codesign -f -s {old if remedy.argument else '-'} {file}"
    return f"install_name_tool {edit} {file} && codesign -f -s - {file}"


# -- members of archives --


def _is_wheel(location: Location) -> bool:
    return location.host.endswith(".whl") and len(location.members) == 1


def _folder(location: Location) -> str:
    """Return what stands before a member's name: ``wheel unpack`` makes a folder of the name and version."""
    return f"{_unpacked(location)}/" if location.packed and _is_wheel(location) else ""


def _unpacked(location: Location) -> str:
    return "-".join(leaf(location.host).split("-")[:2])


def _unpack(location: Location) -> Iterator[Step]:
    if _is_wheel(location):
        yield Step(StepKind.COMMAND, f"python3 -m wheel unpack {file_word(location.host)}")
    else:
        names = " and, in it, ".join(quoted(n) for n in (location.host, *location.members[:-1]))
        yield Step(StepKind.TEXT, f"unpack {names}, and go to the folder it is unpacked to")


def _pack(location: Location) -> Iterator[Step]:
    if _is_wheel(location):
        yield Step(StepKind.COMMAND, f"python3 -m wheel pack {file_word(_unpacked(location))}")
    else:
        yield Step(StepKind.TEXT, f"pack {quoted(leaf(location.host))} again")
