"""One search as dyld2 makes it (dyld-852.2, dyld2.cpp: load()): every permutation is compared, then opened."""

from __future__ import annotations

from machochain.dyld import classic, messages
from machochain.dyld.atpaths import LoadRequest
from machochain.graph.process import Process, names_a_system_library
from machochain.graph.walked import Found
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.result import Unknown, UnknownKind
from machochain.model.search import Attempt, Candidate, Failure, FailureKind, Objection, ObjectionKind
from machochain.model.value import evolve
from machochain.world.filesystem import ENOENT


class ClassicSearch(Process):
    """The searches of macOS 11."""

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
        for candidate in self._affordable(classic.candidates(self.config, request, paths, opening=True)):
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

    def _open_classic(self, candidate: Candidate, request: LoadRequest, tried: list[Attempt]) -> Found | None:  # noqa: PLR0911  # one answer a case
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
                and names_a_system_library(candidate, request.path, known=self.mac.knows_system(path))
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
