"""dyld's walk over a process: which image asks for what, in which order, and what it gets.

All mutable state of a run lives in ``_Run``; what comes out is frozen. The order of things follows
dyld-1378, dyldMain.cpp: prepare(), JustInTimeLoader.cpp: loadDependents() and Loader.cpp: getLoader().
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from machochain.dyld import classic, messages
from machochain.dyld.atpaths import LoadRequest, expand_executable_path
from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import (
    enforces_compatibility,
    is_file_relative,
    might_be_in_shared_cache,
    needs_fallbacks,
)
from machochain.dyld.plan import candidates
from machochain.dyld.policy import first_refusal
from machochain.dyld.slices import FAT, abortion, choose_slice, classic_choose_slice, not_mach_o, refusal
from machochain.graph.mac import Mac, Trail
from machochain.graph.versioned import find_overrides
from machochain.kernel.libraries import MapRefusal
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, NodeKind, Presence, SystemAnswer
from machochain.model.image import FileType, Image, LinkedDylib, Slice
from machochain.model.ospaths import (
    CRYPTEX,
    DRIVERKIT_LIBSYSTEM,
    IOS_SUPPORT,
    LIBDYLD,
    LIBSYSTEM,
    OS_FOLDERS,
    SWIFT_LIBRARIES,
    SYSTEM_FOLDER,
)
from machochain.model.paths import TargetPath, leaf
from machochain.model.platform import Platform
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Unknown, UnknownKind
from machochain.model.search import Attempt, Candidate, Failure, FailureKind, Objection, ObjectionKind, SearchRule
from machochain.model.version import Version
from machochain.world.filesystem import ENOENT

PROTECTED: Final = frozenset(
    {LIBSYSTEM, "/usr/lib/system/libsystem_secinit.dylib", "/usr/lib/system/libsystem_sandbox.dylib"}
)
"""Libraries a hardened process never overrides (dyld-1378, isProtectedLibSystemPath())."""

MOST_ATTEMPTS: Final = 50_000
"""Paths that are tried in one process: load commands times run paths may be more than anybody waits for. No
process of numpy, scipy and vtk needs more than 58."""
_FAILURE: Final = 3
"""What a search that fails counts beside the paths it tries: it is told of as well."""


@frozen
class Walk:
    """What one walk found.

    Attributes:
        images: In load order.
        loads: In the order they were asked for.
        message: dyld's text if the walk failed, else None.
        unknowns: What could not be decided.
        config: The process.
        searches: Every search with what it came to, in order: enough to tell whether another release comes to the
            same.
        implied: What stands for a load command in images without any: libSystem, as their first library.
        launched: How many images were there when the launch was over; what follows was opened.
    """

    images: tuple[LoadedImage, ...]
    loads: tuple[Load, ...]
    message: str | None
    unknowns: tuple[Unknown, ...]
    config: ProcessConfig
    searches: tuple[tuple[LoadRequest, Found], ...] = ()
    implied: tuple[Load, ...] = ()
    launched: int = 0


@frozen
class Found:
    """What one search came to: an image, or the reason why not.

    Attributes:
        image: What serves.
        candidate: The path by which it was found; None if it answered by name before any path was tried.
        tried: What failed before.
        failure: Why not, with dyld's words; None if it has none.
        fresh: Whether the image was loaded just now.
        unknown: Why nobody can tell what dyld would find.
    """

    image: LoadedImage | None
    candidate: Candidate | None
    tried: tuple[Attempt, ...]
    failure: Failure | None
    fresh: bool = False
    unknown: Unknown | None = None

    @property
    def reason(self) -> str | None:
        """The words of dyld."""
        return self.failure.text if self.failure is not None else None


@frozen
class Dlopen:
    """A library that a running process opens.

    Attributes:
        path: The argument of ``dlopen``.
        mode: Its flags, for the text.
        caller: Path of the image that calls: its run paths and ``@loader_path`` count before those of the main
            executable. None if the main executable itself calls.
    """

    path: str
    mode: int = 2
    caller: str | None = None


def walk(
    mac: Mac,
    main: LoadedImage,
    config: ProcessConfig,
    *,
    cwd: str = "/",
    like: Walk | None = None,
    complete: bool = True,
) -> Walk:
    """Launch an executable: find all it needs, as dyld would.

    If the launch fails, dyld stops early and says one thing. The walk is then repeated without stopping, so that
    ``loads`` tells everything that is missing; ``message`` stays what dyld says.

    Args:
        mac: The modelled Mac.
        main: The executable.
        config: The process.
        cwd: Its working directory.
        like: A walk of the same executable on another release: what comes out the same is shared with it.
        complete: Go on behind a failure; without it the walk ends where dyld's does.
    """
    if not complete:
        run = _Run(mac, config, cwd)
        run.launch(main)
        return run.result()
    return _walk(mac, config, cwd, like, lambda run: run.launch(main))


def walk_library(
    mac: Mac,
    library: LoadedImage,
    config: ProcessConfig,
    *,
    main: LoadedImage | None = None,
    cwd: str = "/",
    like: Walk | None = None,
) -> Walk:
    """Open a dylib or bundle in a process: with ``main`` after it has launched, else in one nobody knows.

    Args:
        mac: The modelled Mac.
        library: What is opened.
        config: The process.
        main: Its executable.
        cwd: Its working directory.
        like: A walk of the same images on another release: what comes out the same is shared with it.
    """

    def start(run: _Run) -> None:
        if main is not None:
            run.launch(main)
        if run.message is None or not run.stops:
            run.open_image(library)

    return _walk(mac, config, cwd, like, start)


def _walk(mac: Mac, config: ProcessConfig, cwd: str, like: Walk | None, start: Callable[[_Run], None]) -> Walk:
    if like is not None and like.message is None and _Run(mac, config, cwd).repeats(like):
        return like
    run = _Run(mac, config, cwd)
    start(run)
    if run.message is None:
        return run.result()
    complete = _Run(mac, config, cwd, stops=False)
    if like is not None and like.message is not None and complete.repeats(like):
        return evolve(like, message=run.message)
    complete = _Run(mac, config, cwd, stops=False)
    start(complete)
    return evolve(complete.result(), message=run.message)


def open_library(mac: Mac, main: LoadedImage, config: ProcessConfig, call: Dlopen, *, cwd: str = "/") -> Walk:
    """Launch an executable, then let it call ``dlopen``; the message is the text ``dlerror`` gives.

    Raises:
        KeyError: The caller is no image of the process.
    """
    run = _Run(mac, config, cwd)
    run.launch(main)
    run.end_launch()
    if run.message is None:
        run.dlopen(call)
    return run.result()


class _Run:
    """The state of one process while it loads (dyld: ``RuntimeState``)."""

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
        self._tried = 0
        self._searches: list[tuple[LoadRequest, Found]] = []

    def result(self) -> Walk:
        return Walk(
            tuple(self.images),
            tuple(self.loads),
            self.message,
            tuple(dict.fromkeys(self.unknowns)),
            self.config,
            tuple(self._searches),
            tuple(self._implied),
            len(self.images) if self._launched is None else self._launched,
        )

    def repeats(self, like: Walk) -> bool:
        """Whether this process comes to all that another release came to.

        What a walk does beside its searches depends on the images alone, but for what is looked at first here. So if
        each search, one after the other, finds the same in the same way, the walks are the same.
        """
        if any(_does_more(config) for config in (self.config, like.config)):
            return False
        if self.config.profile.use_flags != like.config.profile.use_flags and _has_use_flags(like.images):
            return False
        for request, found in like.searches:
            requester = request.chain[0].id
            if requester == len(self.images) and not self._begins_with(like.images[requester]):
                return False
            if not _agree(self._search(request), found):
                return False
        return all(self._begins_with(image) for image in like.images[len(self.images) :])

    def _begins_with(self, image: LoadedImage) -> bool:
        """Add an image nobody searched for: the main executable, or a library that is opened. False if dyld refuses."""
        assert image.image is not None
        main = image.image.file_type == FileType.MH_EXECUTE
        if main and self.config.is_simulator and self.config.root_path is None:
            return False
        self._add(image)
        return first_refusal(image.image, self.config.profile, main=main) is None

    def _halted(self) -> bool:
        """Whether dyld has given up; the run that tells all that is missing never does."""
        return self.stops and self.message is not None

    # -- the walk ---------------------------------------------------------------------------------------------

    def launch(self, main: LoadedImage) -> None:
        """Check and load the main executable, what is inserted, and all they need (prepare())."""
        self._add(main)
        assert main.image is not None
        if self.config.is_simulator and self.config.root_path is None:
            classic_text = messages.CLASSIC_NO_ROOT_PATH
            self.message = classic_text if self.config.profile.classic else messages.NO_ROOT_PATH
        aborted = abortion(main.image, self.config.profile, main=True)
        if aborted is not None:
            self._abort(aborted.text)
        # dyld validates main executables since dyld-1323.3 (makeLaunchLoader()).
        error = first_refusal(main.image, self.config.profile, main=True, path=main.path, demands=self.config.demands)
        if error is not None and self.message is None:
            self.message = messages.main_refused(self.config.profile, main.path, error.text)
        if self._halted():
            return
        tops = [main]
        for path in self.config.inserted:
            top = self._insert(main, path)
            if self._halted():
                return
            if top is not None:
                tops.append(top)
        for top in tops:
            # dyld4's stack starts with the main executable, and each image's own pass puts the image on top of it;
            # dyld2's starts empty (dyld2.cpp: _main(), ``link()``).
            self._expand(top, () if self.config.profile.classic else _with_run_paths(main))
            if self._halted():
                return
        if self.message is None:
            self._check_libsystem()

    def _check_libsystem(self) -> None:
        """End a launch without libdyld or libSystem (prepare(), RuntimeState::add(): they are told by install name).

        Every library of the OS but the parts of libSystem brings libSystem along.
        """
        if self.config.profile.classic or self.config.platform == Platform.DRIVERKIT:
            return
        if any(load.outcome in {Outcome.UNKNOWN, Outcome.MISSING} for load in self.loads):
            return
        names = {i.install_name for i in self.images if i.file_type == FileType.MH_DYLIB}
        cached = [i.install_name or "" for i in self.images if i.origin is Origin.OS]
        if not cached and LIBDYLD not in names:
            self.message = messages.NO_LIBDYLD
        elif LIBSYSTEM not in names and all(name.startswith(SYSTEM_FOLDER) for name in cached):
            self.message = messages.NO_LIBSYSTEM

    def end_launch(self) -> None:
        """Note what is there before anything is opened."""
        self._launched = len(self.images)

    def open_image(self, library: LoadedImage) -> None:
        """Load a library as the argument of ``dlopen`` and all it needs (dlopen_from())."""
        main = self.images[0] if self.images else None
        fresh = evolve(library, id=len(self.images))
        self._add(fresh)
        assert fresh.image is not None
        error = first_refusal(fresh.image, self.config.profile, main=False)
        if error is not None and self.message is None:
            self.message = error.text
        if self._halted():
            return
        caller = () if main is None else (main,) if self.config.profile.classic else (main, main)
        self._expand_opened(fresh, caller)

    def _expand_opened(self, library: LoadedImage, callers: tuple[LoadedImage, ...]) -> None:
        """Load what an opened library needs: dlopen_from() has it on the stack already, dyld2 has no image twice."""
        if self.config.profile.classic:
            self._expand(library, _with_run_paths(*callers))
        else:
            self._expand(library, _with_run_paths(library, *callers))

    def dlopen(self, call: Dlopen) -> None:
        """Search for a library by a path, then load all it needs."""
        main = self.images[0]
        caller = main if call.caller is None else self.images[self._names[call.caller]]
        assert caller.image is not None
        chain = (main,) if self.config.profile.classic and caller is main else (caller, main)
        request = LoadRequest(
            call.path,
            chain,
            needs_fallbacks=needs_fallbacks(caller.image),
            static=False,
            origin=self._found_as.get(caller.id, caller.path),
        )
        found = self._find(request)
        prefix = messages.dlopen_prefix(self.config.profile, call.path, call.mode)
        if found.image is None:
            self.loads.append(_load(0, _named(call.path), None, Outcome.MISSING, found))
            self.message = prefix + (found.reason or "")
            return
        if found.fresh:
            self._expand_opened(found.image, chain)
        if self.message is not None:
            self.message = prefix + self.message

    def _insert(self, main: LoadedImage, path: str) -> LoadedImage | None:
        request = LoadRequest(path, (main,), static=True, inserted=True)
        found = self._find(request)
        outcome = Outcome.LOADED if found.fresh else Outcome.ALREADY_LOADED
        # A search that tried nothing at all leaves no error (loadInsertedLibraries()).
        fatal = found.reason is not None and not self.config.security.failed_insertion
        if found.image is None:
            outcome = Outcome.UNKNOWN if found.unknown else Outcome.MISSING if fatal else Outcome.WEAK_MISSING
        self.loads.append(_load(main.id, _named(path), found.image, outcome, found, inserted=True))
        if found.unknown is not None:
            self.unknowns.append(found.unknown)
        if outcome is Outcome.MISSING:
            self._fail(messages.inserted_library_failed(self.config, path, found.reason or ""))
        return found.image if found.fresh else None

    def _expand(self, top: LoadedImage, above: tuple[LoadedImage, ...]) -> None:
        """Load all an image needs: its own level first, then each of its dependents (loadDependents()).

        A stack stands for dyld's recursion. ``above`` is the run-path stack the image is put on: of the images that led
        here those that have run paths, innermost first. The others would be passed over each time.
        """
        stack = [(top, above)]
        while stack:
            image, links = stack.pop()
            if image.id in self._expanded or image.image is None:
                continue
            self._expanded.add(image.id)
            below = self._level(image, image.image, links)
            if self._halted():
                if self.config.profile.classic:
                    return  # dyld2 throws: nothing more is looked at
                continue  # dyld4 goes on with what is left of the levels it is in, but no deeper
            if image.image.run_paths:
                links = (image, *links)
            stack.extend([(dependent, links) for dependent in reversed(below) if dependent.id not in self._expanded])

    def _level(self, image: LoadedImage, header: Image, above: tuple[LoadedImage, ...]) -> list[LoadedImage]:
        """Find every direct dependent of one image; return those that were found, in order."""
        below: list[LoadedImage] = []
        chain = (image, *above)
        answering, record, source, already = self._answering, self.loads.append, image.id, Outcome.ALREADY_LOADED
        old: bool | None = None
        for dylib in header.loads or _implied_libsystem(image):
            if dylib.use_flags is not None and not self.config.profile.use_flags:
                dylib = evolve(dylib, use_flags=None)  # noqa: PLW2901  # before dyld-1160.6 they mean nothing
            # Most commands end here: dyld4 takes what is loaded under that very name without looking further (the
            # quick check of loadDependents() for absolute paths, that of getLoader() for @rpath/ names).
            known = answering.get(dylib.name)
            if known is not None:
                if dylib.ordinal:
                    record(Load(source, dylib, known.id, already))
                else:
                    self._implied.append(Load(source, evolve(dylib, ordinal=1), known.id, already))
                below.append(known)
                continue
            # A weak re-export is not weak: dyld drops the flag (dyld-1160.6 on; before, re-export counted first).
            weak = dylib.weak and not dylib.reexport
            if old is None:
                old = needs_fallbacks(header)
            request = LoadRequest(
                dylib.name,
                chain,
                needs_fallbacks=old,
                may_be_missing=weak,
                origin=self._found_as.get(image.id, image.path),
            )
            found = self._find(request)
            if found.image is image and self.config.profile.classic:
                # an image is no library of its own: looked for once more, without search paths, fallbacks, run paths
                # and origin (ImageLoader.cpp: recursiveLoadLibraries())
                found = self._find(evolve(request, inserted=True))
            if found.image is not None:
                found = self._check_compatibility(image, dylib, found)
            self._note(image, dylib, found, weak=weak)
            if found.image is not None:
                below.append(found.image)
            elif not weak and found.reason is not None and found.unknown is None:
                self._fail(messages.library_not_loaded(self.config, dylib.name, self._shown(image), found.reason))
                if self.stops:
                    break
        return below

    def _shown(self, image: LoadedImage) -> LoadedImage:
        """Return an image as messages name it: by its real path; dyld2 prefers a path that is the install name.

        dyld-852.2, ImageLoaderMachOCompressed.cpp: instantiateFromFile().
        """
        way = self._found_as.get(image.id)
        if not self.config.profile.classic or way is None or not way.startswith("/") or image.origin is Origin.OS:
            return image
        plain = image.install_name is None and "../" not in way
        return evolve(image, path=TargetPath(way)) if plain or way == image.install_name else image

    def _abort(self, text: str) -> None:
        """End the process where dyld does so at once."""
        self.message, self._aborted = text, True

    def _fail(self, message: str) -> None:
        """Take an error as dyld does: dyld2 throws the first, dyld4 goes on with the siblings and tells more."""
        if self._aborted:
            return
        if self.message is None:
            self.message = message
        elif self.stops and not self.config.profile.classic:
            self.message = self.message + message if self.config.profile.errors_accumulate else message

    def _note(self, image: LoadedImage, dylib: LinkedDylib, found: Found, *, weak: bool = False) -> None:
        """Record what became of a load command."""
        if found.image is not None and any(a.unseen for a in found.tried) and not might_be_in_shared_cache(dylib.name):
            # The OS ships nothing under the name of a library that a program brings along.
            tried = tuple(
                evolve(a, unseen=a.unseen and not a.candidate.path.startswith(OS_FOLDERS)) for a in found.tried
            )
            found = evolve(found, tried=tried)
        if found.image is not None:
            outcome = Outcome.LOADED if found.fresh else Outcome.ALREADY_LOADED
        elif found.unknown is not None:
            outcome = Outcome.UNKNOWN
            if not weak or not might_be_in_shared_cache(dylib.name):
                self.unknowns.append(found.unknown)
        else:
            outcome = Outcome.WEAK_MISSING if weak else Outcome.MISSING
            if outcome is Outcome.MISSING and found.reason is None:
                self.unknowns.append(Unknown(UnknownKind.SILENT, (dylib.name,)))
        if dylib.ordinal:
            self.loads.append(_load(image.id, dylib, found.image, outcome, found))
        else:
            self._implied.append(_load(image.id, evolve(dylib, ordinal=1), found.image, outcome, found))
        if found.image is not None and any(a.unseen for a in found.tried):
            first = next(a.candidate.path for a in found.tried if a.unseen)
            if not self.mac.is_anothers(first):
                self.unknowns.append(Unknown(UnknownKind.EARLIER_PATH, (dylib.name, first, found.image.path)))

    def _check_compatibility(self, image: LoadedImage, dylib: LinkedDylib, found: Found) -> Found:
        """Refuse a library that is too old, where dyld does (dyld-852.2, ImageLoader.cpp)."""
        provider = found.image
        if not self.config.profile.classic or provider is None or provider.image is None:
            return found
        have = provider.image.id_compatibility_version or Version.of(0)
        need = dylib.compatibility_version
        if need.packed == 0xFFFFFFFF or have >= need or not enforces_compatibility(provider.image):
            return found
        reason = (
            f"Incompatible library version: {leaf(image.path)} requires version {need.full} or later, "
            f"but {leaf(provider.path)} provides version {have.full}"
        )
        return Found(None, None, found.tried, Failure(FailureKind.TOO_OLD, reason))

    # -- one search -------------------------------------------------------------------------------------------

    def _find(self, request: LoadRequest) -> Found:
        found = self._search(request)
        self._searches.append((request, found))
        return found

    def _search(self, request: LoadRequest) -> Found:
        if self._attempts_left > 0:
            found = self._find_classic(request) if self.config.profile.classic else self._find_current(request)
            self._tried += len(found.tried)
            self._attempts_left -= len(found.tried) + (_FAILURE if found.image is None else 0)
            if self._attempts_left > 0 or found.image is not None:
                return found
        return Found(None, None, (), None, unknown=Unknown(UnknownKind.GIVEN_UP, (str(self._tried),)))

    def _find_current(self, request: LoadRequest) -> Found:
        """Search as dyld4 does (Loader.cpp: getLoader())."""
        path = request.path
        known = self._loaded_by_run_path_name(request)
        if known is not None:
            return Found(known, None, (), None)
        trail = self._trails.get((self.mac.standpoint(request.chain[0]), path)) if request.static else None
        found = self._follow(trail, request) if trail is not None else None
        if found is not None:
            return found
        tried: list[Attempt] = []
        unknown: Unknown | None = None
        for _ in range(2):
            answer = self._canonical(path)
            if answer is not None and answer.path is not None and answer.path != path:
                path = answer.path
            current = request if path == request.path else evolve(request, path=path)
            for candidate in islice(candidates(self.config, current), self._attempts_left):
                found = self._probe(candidate, request, path, tried)
                if found is not None:
                    return found
            if self.config.hardened and is_file_relative(request.path):
                known_id = self._names.get(path)
                if known_id is not None:
                    return Found(self.images[known_id], None, tuple(tried), None)
                break
            if path.startswith("@") or (not request.static and "/" not in path):
                break
            real = self.mac.realpath(path, self.cwd)
            if real is None or path.startswith(real):
                break
            path = real
        seen = next((a for a in tried if a.unseen), None)
        if seen is not None:
            unknown = Unknown(UnknownKind.UNSEEN_PATH, (request.path, seen.candidate.path))
        elif self._depends_on_process(request):
            unknown = Unknown(UnknownKind.UNKNOWN_PROCESS, (request.path, request.chain[0].path))
        return Found(None, None, tuple(tried), self._failure(request, tuple(tried)), unknown=unknown)

    def _follow(self, trail: Trail, request: LoadRequest) -> Found | None:
        """Take the way that led another process to a file; None if something loaded here answers on the way."""
        names = self._names
        if len(trail.tried) >= self._attempts_left or any(a.candidate.path in names for a in trail.tried):
            return None
        tried, candidate = trail.tried, trail.candidate
        requester = request.chain[0].id
        if trail.requester != requester:
            tried = tuple(evolve(a, candidate=_asked_by(a.candidate, requester)) for a in tried)
            candidate = _asked_by(candidate, requester)
        known = names.get(candidate.path)
        if known is None and trail.node.identity is not None:
            known = self._identities.get(trail.node.identity)
        if known is not None:
            return Found(self.images[known], candidate, tried, None)
        return self._take(trail.node, trail.piece, candidate, tried)

    def _remember(self, request: LoadRequest, found: Found, node: Node, piece: Slice) -> None:
        """Keep the way to a file if no other process of this kind can go another: see `Mac.trails`."""
        requester = request.chain[0]
        if not self._remembers or not request.static or request.inserted or request.path.startswith("@executable_path"):
            return
        if requester.image is None or any(r.path.startswith("@executable_path") for r in requester.image.run_paths):
            return
        assert found.candidate is not None
        if request.path.startswith("@rpath/") and found.candidate.image != requester.id:
            return  # the run paths of whoever led here came before
        ways = (found.candidate, *(attempt.candidate for attempt in found.tried))
        if any(c.image not in (None, requester.id) for c in ways):
            return
        if any(self.mac.find_system(c.path, self.config.macos).presence is Presence.PRESENT for c in ways):
            return  # whether the library of the OS that has this name is loaded differs
        asked = self.mac.standpoint(requester), request.path
        self._trails[asked] = Trail(requester.id, found.tried, found.candidate, node, piece)

    def _failure(self, request: LoadRequest, tried: tuple[Attempt, ...]) -> Failure | None:
        """Return why a search failed; None if dyld has no words and goes on in silence."""
        config = self.config
        note = messages.not_expanded_note(config, request.path)
        text = messages.tried_text(config.profile, tried) + note
        if text:
            return Failure(FailureKind.NOT_EXPANDED if note else FailureKind.NOT_FOUND, text)
        if request.may_be_missing:
            return None
        has_run_paths = any(i.image is not None and i.image.run_paths for i in request.chain)
        return messages.nothing_tried(config.profile, request.path, has_run_paths=has_run_paths)

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

    def _loaded_by_run_path_name(self, request: LoadRequest) -> LoadedImage | None:
        """Return an image loaded already under the very ``@rpath/`` name, before any run path is looked at."""
        name = request.path
        if not name.startswith("@rpath/"):
            if request.static or name.startswith("@") or "/" in name:
                return None
            name = "@rpath/" + name
        known = self._names.get(name)
        return self.images[known] if known is not None else None

    def _canonical(self, path: str) -> SystemAnswer | None:
        """Return the OS library a path or its real path stands for (canonicalDylibPathInCache())."""
        if path.startswith("@"):
            return None
        answer = self.mac.find_system(path, self.config.macos)
        if answer.presence is Presence.PRESENT:
            return answer
        real = self.mac.realpath(path, self.cwd)
        if real is None or real == path or not might_be_in_shared_cache(real):
            return None
        answer = self.mac.find_system(real, self.config.macos)
        return answer if answer.presence is Presence.PRESENT else None

    def _probe(self, candidate: Candidate, request: LoadRequest, load_path: str, tried: list[Attempt]) -> Found | None:
        """Try one path; return what it gave, or note why it did not serve."""
        path = candidate.path
        profile = self.config.profile
        known = self._names.get(path)
        if known is not None:
            return Found(self.images[known], candidate, tuple(tried), None)
        if self.config.hardened and is_file_relative(path):
            reason = "relative path not allowed in hardened program"
            tried.append(Attempt(candidate, Objection(ObjectionKind.RELATIVE_PATH, reason)))
            return None
        answer = self.mac.find_system(path, self.config.macos)
        if answer.presence is Presence.PRESENT:
            # An alias of a cached library that is loaded counts even where only the disk is searched.
            known = self._names.get(answer.path or path)
            if known is not None:
                return Found(self.images[known], candidate, tuple(tried), None)
            if not candidate.rule.on_disk_only:
                return self._load_system(answer, candidate, tried)
        node = self.mac.look(path, self.cwd)
        if node.presence is Presence.UNSEEN:
            tried.append(Attempt(candidate, messages.miss(profile, candidate, messages.ENOENT), unseen=True))
            return None
        if node.presence is Presence.ABSENT or node.kind is not NodeKind.FILE:
            errno = messages.ENOTAFILE if node.presence is Presence.PRESENT else node.errno
            unseen = (
                node.presence is Presence.ABSENT
                and answer.presence is Presence.UNSEEN
                and not candidate.rule.on_disk_only
                and _names_a_system_library(candidate, load_path, known=self.mac.knows_system(path))
            )
            tried.append(Attempt(candidate, messages.miss(profile, candidate, errno), unseen=unseen))
            return None
        known = self._identities.get(node.identity) if node.identity else None
        if known is not None:
            return Found(self.images[known], candidate, tuple(tried), None)
        if profile.protects_libsystem and self.config.hardened and load_path in PROTECTED:
            reason = "cannot override a protected system dylib"
            suffix = ", not in dyld cache" if might_be_in_shared_cache(path) else ""
            tried.append(Attempt(candidate, Objection(ObjectionKind.PROTECTED, reason), suffix))
            return None
        return self._load_file(node, candidate, request, tried)

    def _load_system(self, answer: SystemAnswer, candidate: Candidate, tried: list[Attempt]) -> Found:
        # dyld4 records the path that led there, an alias too (makeDyldCacheLoader()).
        name = answer.path or TargetPath(candidate.path)
        path = name if self.config.profile.classic else TargetPath(candidate.path)
        image = LoadedImage(len(self.images), path, Origin.OS, install_name=name)
        self._add(image)
        return Found(image, candidate, tuple(tried), None, fresh=True)

    def _load_file(self, node: Node, candidate: Candidate, request: LoadRequest, tried: list[Attempt]) -> Found | None:
        """Read a file and load its slice, or note dyld's reason for refusing it."""
        chosen = self._choose(node, candidate, request)
        if isinstance(chosen, Objection):
            tried.append(Attempt(candidate, chosen))
            if chosen.kind is ObjectionKind.ABORTS and not self._aborted:
                self._abort(chosen.text)
            return None
        found = self._take(node, chosen, candidate, tuple(tried))
        self._remember(request, found, node, chosen)
        return found

    def _take(self, node: Node, piece: Slice, candidate: Candidate, tried: tuple[Attempt, ...]) -> Found:
        """Load a slice of a file."""
        image = image_of(node, piece, len(self.images))
        self._found_as[image.id] = candidate.path
        self._add(image)
        return Found(image, candidate, tried, None, fresh=True)

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

    def _find_classic(self, request: LoadRequest) -> Found:
        """Search as dyld2 does: compare every permutation with what is loaded, then open (dyld2.cpp: load())."""
        refused = classic.restriction(self.config, request)
        if refused is not None:
            return Found(None, None, (), refused)

        def left(path: str) -> str | None:
            self._left = self.mac.left_behind(path, self.cwd) if path else None
            self._errno = 0 if self._left is not None else self.mac.look(path, self.cwd).errno
            return self._left

        paths = classic.Paths(
            real=lambda path: self.mac.look(path, self.cwd).real,
            left=left,
            cached=lambda path: self.mac.find_system(path, self.config.macos).presence is Presence.PRESENT,
            there=lambda path: self.mac.look(path, self.cwd).presence is Presence.PRESENT,
        )

        if request.path.startswith("@rpath/"):
            known = self._install_names.get(request.path)
            if known is not None:
                return Found(self.images[known], None, (), None)
        for candidate in classic.candidates(self.config, request, paths, opening=False):
            known = self._names.get(candidate.path)
            if known is None and not request.static:
                known = self._install_names.get(candidate.path)  # LoadContext.matchByInstallName
            if known is not None:
                return Found(self.images[known], candidate, (), None)
        tried: list[Attempt] = []
        for candidate in islice(classic.candidates(self.config, request, paths, opening=True), self._attempts_left):
            found = self._open_classic(candidate, request, tried)
            if found is not None:
                return found
        shown = tuple(a for a in tried if a.reason)
        seen = next((a for a in tried if a.unseen), None)
        unknown: Unknown | None = None
        if seen is not None:
            unknown = Unknown(UnknownKind.UNSEEN_PATH, (request.path, seen.candidate.path))
        elif self._depends_on_process(request):
            unknown = Unknown(UnknownKind.UNKNOWN_PROCESS, (request.path, request.chain[0].path))
        failure = Failure(FailureKind.NOT_FOUND, messages.classic_tried_text(shown))
        return Found(None, None, tuple(tried), failure, unknown=unknown)

    def _open_classic(self, candidate: Candidate, request: LoadRequest, tried: list[Attempt]) -> Found | None:
        """Try to open one path (loadPhase5load()); a file that is not there leaves no trace in the message."""
        path = candidate.path
        if self.config.hardened and not path.startswith("/"):
            reason = "file system relative paths not allowed in hardened programs"
            tried.append(Attempt(evolve(candidate, path=""), Objection(ObjectionKind.RELATIVE_PATH, reason)))
            return None
        answer = self.mac.find_system(path, self.config.macos)
        node = self.mac.look(path, self.cwd)
        # a library in a cache of type development yields to a file at its path (onDiskFileIsRoot())
        yields = not self.config.production_cache and node.kind is NodeKind.FILE
        if answer.presence is Presence.PRESENT and not yields:
            known = self._names.get(answer.path or path)
            if known is not None:
                return Found(self.images[known], candidate, tuple(tried), None)
            return self._load_system(answer, candidate, tried)
        if node.presence is not Presence.PRESENT:
            self._errno = node.errno
            if path == self._left:
                return None  # tried before, or a folder above it
            unseen = node.presence is Presence.UNSEEN or (
                answer.presence is Presence.UNSEEN
                and _names_a_system_library(candidate, request.path, known=self.mac.knows_system(path))
            )
            tried.append(Attempt(candidate, messages.classic_miss(node.errno), unseen=unseen))
            return None
        if node.kind is not NodeKind.FILE:
            tried.append(Attempt(candidate, Objection(ObjectionKind.NOT_A_FILE, "not a file")))
            return None
        known = self._identities.get(node.identity) if node.identity else None
        if known is not None:
            return Found(self.images[known], candidate, tuple(tried), None)
        chosen = self._choose(node, candidate, request)
        if isinstance(chosen, Objection):
            tried.append(Attempt(candidate, chosen))
            if chosen.kind is ObjectionKind.ABORTS and not self._aborted:
                self._abort(chosen.text)
            if self._errno not in {0, ENOENT}:  # nobody has set it since: it is told again (loadPhase5load())
                tried.append(Attempt(candidate, messages.classic_miss(self._errno)))
            return None
        assert chosen.image is not None
        name = chosen.image.install_name
        if name is not None and name.startswith("/") and name in self._install_names:
            # Another image has this install name: dyld2 takes that one (checkandAddImage()).
            return Found(self.images[self._install_names[name]], candidate, tuple(tried), None)
        return self._take(node, chosen, candidate, tuple(tried))

    def _add(self, image: LoadedImage) -> None:
        """Put an image on the list and index what it answers to (JustInTimeLoader::matchesPath())."""
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


def _agree(one: Found, other: Found) -> bool:
    """Whether two searches on one Mac came to the same in the same way."""
    if (one.image is None) is not (other.image is None):
        return False
    if one.image is not None and other.image is not None:
        # A path and a slice are one file: the headers need no comparing.
        if one.image.id != other.image.id or one.image.path != other.image.path:
            return False
        if one.image.slice_offset != other.image.slice_offset or one.image.origin is not other.image.origin:
            return False
    return (
        one.fresh is other.fresh
        and one.candidate == other.candidate
        and one.tried == other.tried
        and one.failure == other.failure
        and one.unknown == other.unknown
    )


def _asked_by(candidate: Candidate, requester: int) -> Candidate:
    """Return a candidate as another process has it, where the requester has another id."""
    if candidate.image is None:
        return candidate
    return Candidate(candidate.path, candidate.rule, requester, candidate.run_path)


def _with_run_paths(*images: LoadedImage) -> tuple[LoadedImage, ...]:
    """Return the images that have run paths: no other counts for a search."""
    return tuple(i for i in images if i.image is not None and i.image.run_paths)


def image_of(node: Node, piece: Slice, number: int) -> LoadedImage:
    """Return the image that a slice of a file becomes.

    Raises:
        ValueError: The slice is no Mach-O image, or the node is no file.
    """
    if piece.image is None or node.real is None:
        raise ValueError("no image to load")
    return LoadedImage(
        number,
        node.real,
        Origin.DISK,
        install_name=piece.image.install_name,
        image=piece.image,
        host=node.host,
        slice_offset=piece.offset,
        slice_size=piece.size,
        identity=node.identity,
        case_differs=node.case_differs,
    )


def _does_more(config: ProcessConfig) -> bool:
    """Whether a process does more than search: dyld2 does, and the environment may put libraries in before."""
    return bool(
        config.profile.classic or config.inserted or config.versioned_library_path or config.versioned_framework_path
    )


def _directories(config: ProcessConfig) -> tuple[str, ...]:
    """Return the directories the environment adds to a search."""
    return (
        *config.library_path,
        *config.framework_path,
        *(config.fallback_library_path or ()),
        *(config.fallback_framework_path or ()),
    )


def _has_use_flags(images: tuple[LoadedImage, ...]) -> bool:
    return any(x.use_flags is not None for i in images if i.image is not None for x in i.image.loads)


def _load(
    source: int,
    dylib: LinkedDylib,
    image: LoadedImage | None,
    outcome: Outcome,
    found: Found,
    *,
    inserted: bool = False,
) -> Load:
    failure = found.failure if outcome is Outcome.MISSING else None
    to = image.id if image is not None else None
    return Load(source, dylib, to, outcome, found.candidate, found.tried, failure, inserted)


def _named(path: str) -> LinkedDylib:
    """A stand-in for a load command where a path was asked for without one."""
    return LinkedDylib(-1, "", path, 0, Version.of(0), Version.of(0))


def _implied_libsystem(image: LoadedImage) -> Iterator[LinkedDylib]:
    """Yield libSystem for an image that links with nothing (UnsafeHeader::forEachLinkedDylib()).

    It counts as its first library.
    """
    name = LIBSYSTEM
    if image.image is not None and any(b.platform == Platform.DRIVERKIT for b in image.image.builds):
        name = DRIVERKIT_LIBSYSTEM
    if image.file_type == FileType.MH_DYLIB and (image.install_name or "").startswith(SYSTEM_FOLDER):
        return
    yield _named(name)


def _decided(attempt: Attempt) -> Attempt:
    """Return an attempt below a folder of the OS as one that found nothing."""
    return evolve(attempt, unseen=attempt.unseen and not attempt.candidate.path.startswith(OS_FOLDERS))


def _names_a_system_library(candidate: Candidate, load_path: str, *, known: bool) -> bool:
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
