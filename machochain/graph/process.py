"""One process while it loads: what it has, and how a file or a library of the OS becomes an image of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.dyld import messages
from machochain.dyld.atpaths import LoadRequest, expand_executable_path
from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import (
    might_be_in_shared_cache,
)
from machochain.dyld.slices import FAT, choose_slice, classic_choose_slice, not_mach_o, platform_text, refusal
from machochain.graph.mac import Mac
from machochain.graph.versioned import find_overrides
from machochain.graph.walked import Found, Trail, Walk, image_of
from machochain.kernel.libraries import MapRefusal
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, SystemAnswer
from machochain.model.image import Slice
from machochain.model.ospaths import (
    CRYPTEX,
    IOS_SUPPORT,
    SWIFT_LIBRARIES,
)
from machochain.model.paths import TargetPath, leaf
from machochain.model.platform import Platform
from machochain.model.result import Load, LoadedImage, Origin, Unknown, UnknownKind
from machochain.model.search import Attempt, Candidate, Objection, ObjectionKind, SearchRule
from machochain.model.value import evolve

_NEVER_MACOS: Final = frozenset({Platform.TVOS, Platform.WATCHOS, Platform.BRIDGEOS, Platform.VISIONOS})
"""Processes that the libraries in a Mac's cache do not fit: they are built for macOS, some for Catalyst too."""
MOST_ATTEMPTS: Final = 50_000
"""Paths that are tried in one process: load commands times run paths may be more than anybody waits for. No
process of numpy, scipy and vtk needs more than 58."""
MOST_TEXT: Final = 4 << 20
"""Characters of the paths that are tried in one process: a run path may be as long as the load commands. Each path is
told up to five times, in the search, in what dyld says and in findings. No process of PySide6 needs more than 7,964."""
MOST_SEARCH_TEXT: Final = 16 << 20
"""The same of one search: one that has begun is not broken off where others were long, for it may decide the launch."""
FAILURE: Final = 20
"""What a search that fails counts beside the paths it tries: it is told of as well."""


class Process:
    """The state of one process while it loads (dyld: ``RuntimeState``), and how an image gets into it."""

    def __init__(self, mac: Mac, config: ProcessConfig, cwd: str, *, stops: bool = True) -> None:
        self.mac = mac
        self.config = config
        self.cwd = cwd
        overridden: tuple[Unknown, ...] = ()
        if config.versioned_library_path or config.versioned_framework_path:
            overrides, overridden = find_overrides(mac, config, cwd)
            self.config = evolve(config, overrides=overrides)
        self.stops = stops
        self.images: list[LoadedImage] = []
        self.loads: list[Load] = []
        self.unknowns: list[Unknown] = list(overridden)
        self.message: str | None = None
        self._aborted = False
        self._implied: list[Load] = []
        self._launched: int | None = None
        self._names: dict[str, int] = {}
        self._install_names: dict[str, int] = {}
        self._identities: dict[tuple[int, int], int] = {}
        self._found_as: dict[int, str] = {}
        # Of dyld2: the last error of a system call, and what realpath() left.
        self._errno = 0
        self._left: str | None = None
        self._expanded: set[int] = set()
        # Of what dyld4 answers to, the names that are compared before anything else is done.
        self._answering: dict[str, LoadedImage] = {}
        self._fitting = mac.fitting(self.config)
        self._trails = mac.trails(self.config, cwd)
        # A directory that begins with a variable is another one for each program, or each image that asks.
        self._remembers = not any(d.startswith("@") for d in _directories(self.config))
        self._attempts_left = MOST_ATTEMPTS
        self._text_left = MOST_TEXT
        self._tried = 0
        self._given_up: UnknownKind | None = None
        self._searches: list[tuple[LoadRequest, Found]] = []
        # What the OS was asked for in the last search.
        self._answers: dict[str, SystemAnswer] = {}
        # The images whose run paths count for the last search, and the number of their standpoints.
        self._chain: tuple[tuple[LoadedImage, ...], int] = (), 0

    def result(self) -> Walk:
        """Return what was found so far."""
        fresh = {found.image.id for _, found in self._searches if found.image is not None and found.fresh}
        trails = frozenset(found.trail for _, found in self._searches if found.trail is not None)
        follows = all(found.trail is not None for _, found in self._searches)
        return Walk(
            tuple(self.images),
            tuple(self.loads),
            self.message,
            tuple(dict.fromkeys(self.unknowns)),
            self.config,
            tuple(self._searches),
            tuple(self._implied),
            len(self.images) if self._launched is None else self._launched,
            tuple(image for image in self.images if image.id not in fresh),
            trails if follows else None,
        )

    def _affordable(self, candidates: Iterator[Candidate]) -> Iterator[Candidate]:
        """Yield the paths of a search while there are tries and text left; what is left out ends all searches."""
        tries, text = self._attempts_left, MOST_SEARCH_TEXT
        for candidate in candidates:
            tries, text = tries - 1, text - len(candidate.path)
            if tries < 0 or text < 0:
                self._given_up = UnknownKind.GIVEN_UP if tries < 0 else UnknownKind.TOO_LONG
                return
            yield candidate

    def _halted(self) -> bool:
        """Whether dyld has given up; the run that tells all that is missing never does."""
        return self.stops and self.message is not None

    def _abort(self, text: str) -> None:
        """End the process where dyld does so at once."""
        self.message, self._aborted = text, True

    def _depends_on_process(self, request: LoadRequest) -> bool:
        """Whether a process nobody named could supply the library by its place or its run paths."""
        if self.config.main_path is not None:
            return False
        if request.path.startswith("@rpath/"):
            return True
        return (
            request.path.startswith("@executable_path")
            and expand_executable_path(request.path, config=self.config) is None
        )

    def _system_misfit(self) -> Objection | None:
        """Return why no library of the cache fits this process; None where they do, or nobody can tell.

        dyld-1378, makeJustInTimeLoaderDyldCache(); dyld-832.7.3, dyld2.cpp: loadPhase5load().
        """
        if self.config.platform not in _NEVER_MACOS:
            return None
        text = "wrong platform to load into process"
        if self.config.profile.classic:
            text = f"mach-o, but not built for platform {platform_text(self.config.platform, self.config.profile)}"
        return Objection(ObjectionKind.WRONG_PLATFORM, text)

    def _load_system(self, answer: SystemAnswer, candidate: Candidate, tried: list[Attempt]) -> Found | None:
        """Load a library of the cache, or note why none of them serves."""
        misfit = self._system_misfit()
        if misfit is None:
            return self._take_system(answer.path or TargetPath(candidate.path), candidate, tuple(tried))
        tried.append(Attempt(candidate, misfit))
        return None

    def _take_system(
        self, name: TargetPath, candidate: Candidate, tried: tuple[Attempt, ...], trail: Trail | None = None
    ) -> Found:
        """Load a library of the cache by its install name."""
        # dyld4 records the path that led there, an alias too (makeDyldCacheLoader()).
        path = name if self.config.profile.classic else TargetPath(candidate.path)
        image = LoadedImage(len(self.images), path, Origin.OS, install_name=name)
        self._add(image)
        return Found(image, candidate, tried, None, fresh=True, trail=trail)

    def _take(
        self,
        node: Node,
        piece: Slice,
        candidate: Candidate,
        tried: tuple[Attempt, ...],
        trail: Trail | None = None,
    ) -> Found:
        """Load a slice of a file."""
        image = image_of(node, piece, len(self.images))
        self._found_as[image.id] = candidate.path
        self._add(image)
        return Found(image, candidate, tried, None, fresh=True, trail=trail)

    def _choose(self, node: Node, candidate: Candidate, request: LoadRequest) -> Slice | Objection:
        """Return the slice of a file that the process takes, or dyld's reason for taking none."""
        # What fits one process fits all of its kind; why a file is refused depends on the path too.
        known = self._fitting.get((node.identity, request.static))
        if known is not None:
            return known
        chosen = self._examine(node, candidate, request)
        if isinstance(chosen, Slice) and not self.config.is_simulator:
            self._fitting[node.identity, request.static] = chosen
        return chosen

    def _examine(self, node: Node, candidate: Candidate, request: LoadRequest) -> Slice | Objection:
        if not node.size:
            # dyld takes an empty file for a tombstone and says nothing (mapFileReadOnly()).
            return Objection(ObjectionKind.EMPTY, "file too short" if self.config.profile.classic else "")
        file = self.mac.read(node)
        if isinstance(file, InputError) and file.errno:
            return Objection(ObjectionKind.OPEN_FAILED, f"open() failed with errno={file.errno}", file.errno)
        if self.config.profile.classic:
            first = self.mac.first_bytes(node, 8)
            if first[:4] == FAT and not isinstance(file, InputError):
                # what is in the universal file, if it is no Mach-O
                inside = next((s.offset for s in file.slices if s.arch.cputype == self.config.arch.cputype), 0)
                first = self.mac.first_bytes(node, 8, inside)
            unfit = file if not isinstance(file, InputError) else None
            piece = classic_choose_slice(unfit, self.config, candidate.path, first, node.size, static=request.static)
            return self._unmappable(node, piece, candidate.path)
        if isinstance(file, InputError):
            return not_mach_o(self.config.profile)
        chosen = choose_slice(file, self.config, candidate.path)
        if isinstance(chosen, Objection) or chosen.image is None:
            return chosen
        objection = refusal(chosen.image, self.config, candidate.path, static=request.static)
        return self._unmappable(node, chosen, node.real or candidate.path) if objection is None else objection

    def _unmappable(self, node: Node, chosen: Slice | Objection, path: str) -> Slice | Objection:
        """Return the slice, or dyld's reason if the kernel does not let the process map it."""
        if isinstance(chosen, Objection) or chosen.image is None:
            return chosen
        kernel = self.mac.refuses_to_map(node, chosen, self.config)
        if kernel is None:
            return chosen
        if isinstance(kernel, str):
            return messages.not_valid_reason(self.config.profile, chosen.image, path, kernel)
        found = messages.not_valid_reason(self.config.profile, chosen.image, path, kernel.value)
        return evolve(found, kind=ObjectionKind.UNSIGNED) if kernel is MapRefusal.UNSIGNED else found

    def _add(self, image: LoadedImage) -> None:
        """Put an image on the list and index what it answers to (JustInTimeLoader::matchesPath())."""
        if not self.images:
            # What a file may cost is shared by its slices: there may be as many as its header holds.
            self._attempts_left //= self.mac.slices_beside(image)
        self.images.append(image)
        self._names.setdefault(image.path, image.id)
        if image.install_name is not None:
            self._install_names.setdefault(image.install_name, image.id)
        if self.config.profile.classic:
            if image.id in self._found_as:
                self._names.setdefault(self._found_as[image.id], image.id)
        else:
            self._answering.setdefault(image.path, image)
            if image.install_name is not None:
                self._names.setdefault(image.install_name, image.id)
                if image.install_name.startswith(("/", "@rpath/")):
                    self._answering.setdefault(image.install_name, image)
        if image.identity is not None:
            self._identities.setdefault(image.identity, image.id)


def _directories(config: ProcessConfig) -> tuple[str, ...]:
    """Return the directories the environment adds to a search."""
    return (
        *config.library_path,
        *config.framework_path,
        *(config.fallback_library_path or ()),
        *(config.fallback_framework_path or ()),
    )


def names_a_system_library(candidate: Candidate, load_path: str, *, known: bool) -> bool:
    """Whether not knowing an OS path leaves the answer open.

    A load command that names a path of the OS may know more than the catalogue does. A fallback or a run path that
    merely ends up below ``/usr/lib`` names a library of the program: no release has shipped one under such a name,
    unless one is ``known`` to have.
    """
    if candidate.path.startswith(CRYPTEX):
        # Every attempt there that was ever posted failed, for system paths and others (75 of 75 logs).
        return False
    if candidate.path.startswith(IOS_SUPPORT) and not load_path.startswith(IOS_SUPPORT):
        # The names below /System/iOSSupport are few and known; everything else is where macOS has it.
        return known
    if candidate.rule in (SearchRule.CRYPTEX_PREFIX, SearchRule.CRYPTEX_CATALYST_PREFIX):
        # The path without the prefix comes next: what is known of that one decides.
        return False
    if might_be_in_shared_cache(load_path):
        return True
    if candidate.rule in (SearchRule.STANDARD_FALLBACK, SearchRule.CUSTOM_FALLBACK, SearchRule.PATH_DIR_OVERRIDE):
        return known
    if candidate.path.startswith(SWIFT_LIBRARIES):
        return leaf(candidate.path).startswith("libswift")  # nothing else is ever there
    return candidate.path.startswith("/System/")
