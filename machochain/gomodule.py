"""What commands about Go modules share: files of the modelled Mac, what a recorded Mac says, what a program needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from machochain.graph.inspect import Inspection
from machochain.graph.mac import Mac
from machochain.machine.doctor import BinaryNeeds, MachineCase
from machochain.machine.snapshot import MOST_NAMES
from machochain.model.paths import TargetPath
from machochain.model.value import evolve
from machochain.source.disk import read_bytes
from machochain.source.examine import SourceRequest
from machochain.world.placement import World, open_world

if TYPE_CHECKING:
    from machochain.world.system.facts import SystemFacts


def texts_of(world: World, system: SystemFacts) -> Callable[[str], str | None]:
    """Return what reads text files of the modelled Mac; it returns None for one that is not there."""
    mac = Mac(open_world(world, []), system)

    def read(path: str) -> str | None:
        host = mac.look(TargetPath(path)).host
        data = read_bytes(str(host)) if host is not None else None
        return None if data is None else data.decode("utf-8", "surrogateescape")

    return read


def on_the_mac(request: SourceRequest, case: MachineCase) -> SourceRequest:
    """Return a request with what a recorded Mac says; what the user says himself comes first."""
    facts = case.facts
    environment = {n: v for n, v in facts.environment.items() if v != "(set)"} | dict(request.environment)
    if facts.go_env is not None and facts.go_env.get("GOMODCACHE"):
        environment.setdefault("GOMODCACHE", facts.go_env["GOMODCACHE"])
    # Of a listing that was cut nobody can tell what it lacks.
    whole = {path: names for path, names in case.snapshot.listings.items() if len(names) < MOST_NAMES}
    listings = {path: tuple(e[0] for e in entries) for path, entries in whole.items()}
    listings |= {path: () for path, file in case.snapshot.files.items() if file.kind == "absent"}
    return evolve(
        request, environment=environment, kept=dict(facts.kept or {}) | dict(request.kept),
        pkg_config_path=facts.pkg_config_path, listings=listings,
        texts={path: file.text for path, file in case.snapshot.files.items() if file.text is not None},
    )  # fmt: skip


def needs_of(first: Inspection) -> BinaryNeeds:
    """Return what a program that exists needs of a Mac."""
    images = [s.piece.image for s in first.slices if s.piece.image is not None]
    go = next((s.go for s in first.slices if s.go is not None), None)
    build = go.build if go is not None else None
    return BinaryNeeds(
        first.path, tuple(i.arch.name for i in images),
        tuple(d.name for i in images for d in i.loads if not d.name.startswith(("/usr/lib/", "/System/"))),
        dict(build.settings) if build is not None else {}, go.version if go is not None else None,
    )  # fmt: skip
