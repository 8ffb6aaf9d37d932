"""For test suites: what was built loads on these releases of macOS, or the test fails with the words a user would see.

With pytest the same is a fixture, ``assert_loads``, that needs no import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from machochain.model.value import evolve

if TYPE_CHECKING:
    from machochain.world.handed import Source
    from machochain.world.placement import World

__all__ = ["assert_loads"]


def assert_loads(
    *paths: Source,
    macos: str | tuple[str, ...] = "12..26",
    arch: str | None = None,
    world: World | None = None,
    allow_unknown: bool = False,
) -> None:
    """Check that all in some inputs launches, or loads, on every release.

    Args:
        paths: Mach-O files, folders, archives, and what is only in memory, as for `machochain.resolve`.
        macos: A release (``"15.4"``), a range (``"12..26"``), or several.
        arch: Only this slice; by default each.
        world: The modelled Mac's files.
        allow_unknown: Whether what cannot be known passes, and what was passed over. What is known to fail never does,
            nor what cannot be read, nor an input in which there is nothing to launch or to load.

    Raises:
        AssertionError: Something does not load, or (unless that is allowed) may not; the text says what a user
            would be told, why, and what helps.
        InputError: An input cannot be read.
        UsageError: The request makes no sense.
    """
    __tracebackhide__ = True
    from machochain.api import render, resolve  # noqa: PLC0415  # collecting tests is to cost nothing
    from machochain.graph.resolve import Target  # noqa: PLC0415
    from machochain.model.coverage import PassedOverKind  # noqa: PLC0415

    report = resolve(paths, target=Target(macos=macos, arch=arch), world=world)
    refused = {False} if allow_unknown else {False, None}
    told = [str(error) for error in report.errors]
    told += [f"nothing to load in {path}" for path in report.unexamined]
    if not allow_unknown:  # code for other systems is nobody's to load on a Mac
        lost = (each for each in report.passed_over if each.kind is not PassedOverKind.FOREIGN)
        told += [f"not looked into: {each.path}: {each.reason}" for each in lost]
    bad = tuple(result for result in report.results if result.launches in refused)
    if bad:
        told.insert(0, render(evolve(report, results=bad, passed_over=()), "text"))
    if not report.results and not told:
        told = ["nothing to load"]
    if told:
        raise AssertionError("\n".join(told))
