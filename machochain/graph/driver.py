"""dyld's walk over a process: which image asks for what, in which order, and what it gets.

All mutable state of a run lives in a `Process`; what comes out is frozen. The order of things follows
dyld-1378, dyldMain.cpp: prepare(), JustInTimeLoader.cpp: loadDependents() and Loader.cpp: getLoader().
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from machochain.dyld import messages
from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import (
    enforces_compatibility,
    might_be_in_shared_cache,
    needs_fallbacks,
)
from machochain.dyld.policy import first_refusal
from machochain.dyld.slices import abortion
from machochain.graph.mac import Mac
from machochain.graph.process import FAILURE
from machochain.graph.search import Search
from machochain.graph.search_classic import ClassicSearch
from machochain.graph.sharing import agree, does_more, has_use_flags
from machochain.graph.walked import Dlopen, Found, Trail, Walk
from machochain.model.image import FileType, Image, LinkedDylib
from machochain.model.ospaths import (
    DRIVERKIT_LIBSYSTEM,
    LIBDYLD,
    LIBSYSTEM,
    OS_FOLDERS,
    SYSTEM_FOLDER,
)
from machochain.model.paths import TargetPath, leaf
from machochain.model.platform import Platform
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Unknown, UnknownKind
from machochain.model.search import Attempt, Failure, FailureKind
from machochain.model.value import evolve
from machochain.model.version import Version


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


class _Run(Search, ClassicSearch):
    """A process that is launched, or opens a library."""

    def repeats(self, like: Walk) -> bool:
        """Whether this process comes to all that another release came to.

        What a walk does beside its searches depends on the images alone, but for what is looked at first here. So if
        each search, one after the other, finds the same in the same way, the walks are the same: searches that are
        known to go the same way on both releases need not be made again.
        """
        if any(does_more(config) for config in (self.config, like.config)):
            return False
        if self.config.profile.use_flags != like.config.profile.use_flags and has_use_flags(like.images):
            return False
        if like.trails is not None and self._goes(like.trails - self._trails.gone, like):
            return all(map(self._may_begin, like.begun))
        for request, found in like.searches:
            requester = request.chain[0].id
            if requester == len(self.images) and not self._begins_with(like.images[requester]):
                return False
            if found.trail in self._trails.gone:
                if found.image is not None and found.fresh:
                    self._add(found.image)
                self._count(found)
                continue
            if not agree(self._search(request), found):
                return False
        return all(self._begins_with(image) for image in like.images[len(self.images) :])

    def _goes(self, new: frozenset[Trail], like: Walk) -> bool:
        """Whether searches go some ways of another release here, too; each is looked at once, whoever goes it."""
        if not new or not new <= self._trails.alike:
            return not new
        asking = {found.trail: request for request, found in like.searches if found.trail in new}
        return all(self._holds(trail, request) for trail, request in asking.items() if trail is not None)

    def _begins_with(self, image: LoadedImage) -> bool:
        """Add an image nobody searched for: the main executable, or a library that is opened. False if dyld refuses."""
        self._add(image)
        return self._may_begin(image)

    def _may_begin(self, image: LoadedImage) -> bool:
        """Whether dyld takes the main executable, or a library that is opened."""
        assert image.image is not None
        main = image.image.file_type == FileType.MH_EXECUTE
        if main and self.config.is_simulator and self.config.root_path is None:
            return False
        return first_refusal(image.image, self.config.profile, main=main) is None

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

    def _find(self, request: LoadRequest) -> Found:
        found = self._search(request)
        self._searches.append((request, found))
        return found

    def _search(self, request: LoadRequest) -> Found:
        before = self._given_up
        if before is not None:
            return self._not_searched(before)
        found = self._find_classic(request) if self.config.profile.classic else self._find_current(request)
        broken_off = self._given_up  # by the search itself
        self._count(found)
        return found if broken_off is None or found.image is not None else self._not_searched(broken_off)

    def _count(self, found: Found) -> None:
        """Count what was tried: there is an end to it."""
        self._tried += len(found.tried)
        self._attempts_left -= len(found.tried) + (FAILURE if found.image is None else 0)
        self._text_left -= sum(len(attempt.candidate.path) for attempt in found.tried)
        if self._given_up is None and (self._attempts_left <= 0 or self._text_left <= 0):
            self._given_up = UnknownKind.GIVEN_UP if self._attempts_left <= 0 else UnknownKind.TOO_LONG

    def _not_searched(self, why: UnknownKind) -> Found:
        return Found(None, None, (), None, unknown=Unknown(why, (str(self._tried),)))


def _with_run_paths(*images: LoadedImage) -> tuple[LoadedImage, ...]:
    """Return the images that have run paths: no other counts for a search."""
    return tuple(i for i in images if i.image is not None and i.image.run_paths)


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
