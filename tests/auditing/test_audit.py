"""An audit gives the same wherever it works, and looks at what users will have."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain import AuditReport, Target, UsageError, World, audit
from machochain.auditing import audit_parts
from machochain.judging.policy_file import builtin_policy
from machochain.report.audit_json import audit_document
from tests.factory import fat
from tests.findings.audited import plist, write_tree, zipped
from tests.findings.scenes import exe, lib, plugin

BROKEN = exe("@rpath/libfoo.dylib", rpaths=["/Users/runner/work/x"])


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("releases")
    write_tree(folder, {"one/tool": BROKEN, "two/bin/tool": exe(), "two/lib/libx.dylib": lib(uuid=None)})
    (folder / "three.zip").write_bytes(zipped({"three/tool": BROKEN, "three/a.so": plugin()}))
    return [str(folder / name) for name in ("one", "two", "three.zip", "one/tool", "gone")]


@pytest.fixture(scope="module")
def alone(releases: list[str]) -> AuditReport:
    return audit(releases)


def test_threads_give_what_one_worker_gives(releases: list[str], alone: AuditReport) -> None:
    with ThreadPoolExecutor(3) as executor:
        assert audit_document(audit(releases, executor=executor)) == audit_document(alone)


def test_processes_give_what_one_worker_gives(releases: list[str], alone: AuditReport) -> None:
    assert audit_document(audit(releases, jobs=2)) == audit_document(alone)


def test_an_input_gives_the_same_alone_and_among_others(releases: list[str], alone: AuditReport) -> None:
    for path in releases:
        assert audit(path).findings == tuple(f for f in alone.findings if f.origin == path)


@pytest.mark.wheels
def test_a_cluster_of_dask_gives_what_one_worker_gives(releases: list[str], alone: AuditReport) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        assert audit_document(audit(releases, executor=executor)) == audit_document(alone)


def test_what_cannot_be_read_is_an_error_beside_the_others(alone: AuditReport, releases: list[str]) -> None:
    assert [e.path for e in alone.errors] == [releases[-1]]
    assert [i.kind for i in alone.inputs] == ["folder", "folder", "archive", "file", "unreadable"]
    assert not alone.passed
    assert alone.incomplete


def test_closing_the_work_early_looks_at_no_more(releases: list[str]) -> None:
    parts = audit_parts([*releases, "/gone/too"], builtin_policy())
    first = next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert first.input.path == releases[0]
    assert next(parts, None) is None


class Interrupted(Executor):
    """Works at once; the first task is where Ctrl-C comes, the third has not begun by then."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.futures.append(future)
        if len(self.futures) == 1:
            future.set_exception(KeyboardInterrupt())
        elif len(self.futures) == 2:
            future.set_result(task(*arguments, **more))
        return future


def test_what_other_workers_have_done_is_known_after_an_interruption(releases: list[str]) -> None:
    executor = Interrupted()
    parts = audit_parts(releases[:3], builtin_policy(), executor=executor)
    assert next(parts).input.path == releases[1]
    with pytest.raises(KeyboardInterrupt):
        next(parts)
    assert executor.futures[2].cancelled()


def test_without_releases_each_process_begins_at_its_own_minimum(tmp_path: Path) -> None:
    program = fat([exe(arch="x86_64", minos="10.13"), exe(minos="14.0")])
    write_tree(tmp_path, {"tool": program, "a.so": plugin(minos="26.1")})

    report = audit(tmp_path)

    found: dict[tuple[str, str], list[str]] = {}
    for result in report.results:
        found.setdefault((Path(result.input).name, result.arch), []).append(str(result.macos))
    assert found["tool", "arm64"] == ["14.0", "14.4", "15.0", "15.4", "15.5", "26.0", "26.1", "26.4"]
    assert found["tool", "x86_64"][0] == "11.0"
    assert found["a.so", "arm64"] == ["26.1", "26.4"]


def test_releases_of_the_target_count_before_those_of_the_policy(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": exe(minos="14.0"), "machochain.toml": b'macos = "15"\n'})

    def macos(target: Target | None) -> set[str]:
        return {str(r.macos) for r in audit(tmp_path, policy=tmp_path / "machochain.toml", target=target).results}

    assert macos(None) == {"15.0"}
    assert macos(Target(macos=())) == {"15.0"}
    assert macos(Target(macos=("12",))) == {"12.0"}


def test_a_minimum_nobody_knows_yet_is_looked_at_on_the_newest(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": exe(minos="99.0")})
    assert {str(r.macos) for r in audit(tmp_path).results} == {"26.4"}


def test_an_application_lies_where_users_will_have_it(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "T.app", {"Contents/MacOS/t": exe(), "Contents/Info.plist": plist()})

    assert audit(folder).results[0].path == "/Applications/T.app/Contents/MacOS/t"
    assert audit(folder, world=World(at="/opt/T.app")).results[0].path == "/opt/T.app/Contents/MacOS/t"


def test_only_the_slices_of_an_xcframework_that_are_for_macos_are_looked_at(tmp_path: Path) -> None:
    tree = {
        "macos-arm64/F.framework/F": lib("@rpath/F.framework/F"),
        "ios-arm64/F.framework/F": lib("@rpath/F.framework/F", platform=2),
    }
    report = audit(write_tree(tmp_path / "F.xcframework", tree))
    assert report.inputs[0].members == ("macos-arm64/F.framework/F",)
    assert report.passed


def test_one_place_cannot_be_that_of_two_inputs(releases: list[str]) -> None:
    with pytest.raises(UsageError, match="--at names the place of one input"):
        audit(releases, world=World(at="/opt"))


def test_a_wheel_in_a_zip_is_looked_at_and_named(tmp_path: Path) -> None:
    wheel = zipped(
        {"p-1.dist-info/WHEEL": b"Tag: x\n", "p/a.so": plugin(rpaths=["/Users/runner/work/x"], minos="13.0")}
    )
    path = tmp_path / "release.zip"
    path.write_bytes(zipped({"p-1-cp312-cp312-macosx_12_0_arm64.whl": wheel, "README": b"x"}))

    report = audit(path)

    assert {f.path for f in report.findings} == {"p-1-cp312-cp312-macosx_12_0_arm64.whl:p/a.so"}
    assert {f.finding.rule for f in report.findings} >= {"MC235", "MC402"}


# ---------------------------------------------------------------------------------------------------------------------
# Addresses


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def test_an_address_is_fetched_and_keeps_its_name(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/bucket/tool", BROKEN)
    memory.pipe("/bucket/release.zip", zipped({"dist/tool": BROKEN}))
    write_tree(tmp_path, {"tool": BROKEN})

    here, there, packed = audit(tmp_path / "tool"), audit("memory://bucket/tool"), audit("memory://bucket/release.zip")

    assert there.inputs[0].path == "memory://bucket/tool"
    assert there.results[0].input == "memory://bucket/tool"
    assert there.results[0].path == "/Users/user/Downloads/tool"
    assert [f.fingerprint for f in there.findings] == [f.fingerprint for f in here.findings]
    assert {f.finding.input for f in packed.findings} == {"memory://bucket/release.zip:dist/tool"}
    assert all("machochain-" not in str(r.input) for r in packed.results)
    assert all("machochain-" not in step for f in there.findings for step in f.finding.remedy)


def test_an_address_that_leads_nowhere_is_an_error(memory: Any) -> None:
    report = audit("memory://bucket/gone")
    assert [e.path for e in report.errors] == ["memory://bucket/gone"]
    assert report.results == ()


def test_an_address_longer_than_the_limit_is_refused(memory: Any) -> None:
    from machochain.world.remote import fetched

    memory.pipe("/bucket/tool", b"x" * 100)
    with pytest.raises(machochain.InputError, match="longer than 99 bytes"), fetched("memory://bucket/tool", 99):
        pass


def test_without_fsspec_an_address_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "fsspec":
            raise ImportError(name)
        return known(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'machochain\[remote\]'"):
        audit("s3://bucket/tool")


def test_a_scheme_nobody_knows_is_told() -> None:
    pytest.importorskip("fsspec")
    assert "Protocol not known" in str(audit("nosuch://bucket/tool").errors[0])
