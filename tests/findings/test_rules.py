"""Every rule fires where it must, keeps quiet where it must, and never cries wolf."""

from __future__ import annotations

import pytest

from machochain.findings import RULES, Checker, order
from machochain.findings.draft import Facts
from machochain.findings.refusal import OF_SIGNATURES
from machochain.model.result import Outcome, Severity
from tests.findings.cases import NEAR_MISSES, TRIGGERS
from tests.findings.kinds import of_processes
from tests.findings.scenes import Scene

FIRING = [pytest.param(r, s, v, id=f"{r}-{n}") for r, x in TRIGGERS.items() for n, (s, v) in enumerate(x)]
QUIET = [pytest.param(rule, scene, id=f"{rule}-{n}") for rule, x in NEAR_MISSES.items() for n, scene in enumerate(x)]
SCENES = [*(s for x in TRIGGERS.values() for s, _ in x), *(s for x in NEAR_MISSES.values() for s in x)]


def test_every_rule_has_a_trigger_and_a_near_miss() -> None:
    assert list(TRIGGERS) == of_processes()
    assert list(NEAR_MISSES) == of_processes()
    assert all(TRIGGERS.values())
    assert all(NEAR_MISSES.values())


@pytest.mark.parametrize(("rule", "scene", "severity"), FIRING)
def test_rule_fires(rule: str, scene: Scene, severity: Severity) -> None:
    found = scene.found(rule)

    assert [f.severity for f in found] == [severity]
    assert found[0].name == RULES[rule].name
    assert found[0].url == RULES[rule].page
    assert found[0].evidence["macos"] == scene.macos.removesuffix(".0") + ("" if "." in scene.macos else ".0")


@pytest.mark.parametrize(("rule", "scene"), QUIET)
def test_rule_keeps_quiet(rule: str, scene: Scene) -> None:
    assert scene.found(rule) == []


def test_a_default_severity_is_the_worst_a_rule_can_have() -> None:
    for rule, cases in TRIGGERS.items():
        assert max(severity.rank for _, severity in cases) == RULES[rule].severity.rank, rule


def test_an_error_means_that_the_process_fails() -> None:
    for scene in SCENES:
        for result in scene.results():
            errors = {f.rule for f in result.findings if f.severity is Severity.ERROR}
            # what the kernel does to unsigned code, and an initialiser to its process, is not dyld's verdict
            assert result.launches is False or errors <= {"MC501", "MC214"}, (scene.at, errors)


def test_a_process_that_fails_has_an_error() -> None:
    for scene in SCENES:
        for result in scene.results():
            if result.launches is False and not (result.arch == "i386" and len(scene.results()) > 1):
                assert any(f.severity is Severity.ERROR for f in result.findings), scene.at


def test_a_failed_load_is_told_once() -> None:
    for scene in SCENES:
        for result in scene.results():
            for load in result.loads:
                if load.outcome in {Outcome.MISSING, Outcome.UNKNOWN}:
                    told = [
                        f
                        for f in result.findings
                        if f.image == result.images[load.source].path
                        and f.subject == load.dylib.name
                        and f.load_command == (None if load.inserted else load.dylib.command_index)
                        and f.rule != "MC401"
                    ]
                    # what the kernel has against a file is said of the file
                    refused = {a.candidate.path for a in load.tried if a.objection.kind in OF_SIGNATURES}
                    told += [f for f in result.findings if f.rule in {"MC501", "MC521"} and f.image in refused]
                    assert len(told) == 1, (load.dylib.name, [f.rule for f in told])


def test_findings_are_sorted_and_the_same_every_time() -> None:
    for scene in SCENES:
        shared = Checker()
        first, again = scene.results(shared), scene.results(shared)
        assert [r.findings for r in first] == [r.findings for r in again] == [r.findings for r in scene.results()]
        for result in first:
            assert list(result.findings) == sorted(result.findings, key=order)


def test_without_facts_fewer_things_are_told_but_nothing_else() -> None:
    for scene in SCENES:
        for result in scene.results():
            keys = {(f.rule, f.image, f.load_command, f.subject) for f in result.findings}
            bare = {(f.rule, f.image, f.load_command, f.subject) for f in Checker().check(result, Facts())}
            # who does not know what all SDKs say can only say that this one release is unknown, or lacks a symbol
            assert {k for k in bare if k[0] not in {"MC203", "MC205", "MC902"}} <= keys
