"""Reports to render: the processes of testdata/hello, findings that were thought up, and names that mean harm."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

from attrs import evolve

from machochain import api
from machochain.findings.remedies import advice, command
from machochain.graph.resolve import Target
from machochain.model.arch import Arch
from machochain.model.audit import (
    AuditFinding,
    AuditInput,
    AuditReport,
    PolicySummary,
    StaleSuppression,
    Suppression,
    SuppressionSource,
)
from machochain.model.errors import InputError
from machochain.model.image import Image, LinkedDylib
from machochain.model.paths import TargetPath
from machochain.model.result import Confidence, Finding, Load, LoadedImage, Origin, Outcome, Result, Severity
from machochain.model.version import Version
from machochain.world.placement import World

ROOT = Path(__file__).parents[2]
EVIL = (
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    "&amp;`|@user,::error::%0A\n\x1b[31m\u202e\udcff]]>"
)
"""A name as a file may hold it: markup, quotes, line ends, escapes, stray bytes."""
V12, V15, V26 = Version.of(12), Version.of(15), Version.of(26)
REASONED = Suppression(
    SuppressionSource.POLICY, "machochain.toml", "ignore[0] MC402", "known | harmless", date(2027, 1, 31)
)


def finding(
    rule: str = "MC101",
    name: str = "missing-library",
    severity: Severity = Severity.ERROR,
    *,
    subject: str = "@rpath/libx.dylib",
    path: str = "bin/tool",
    origin: str = "dist/app",
    suppressed: Suppression | None = None,
    message: str | None = None,
) -> AuditFinding:
    made = Finding(
        rule, name, severity, Confidence.CERTAIN, f"{origin}/{path}", "arm64", f"/opt/app/{path}", 3, subject,
        message if message is not None else f"tool loads {subject}, which cannot be found",
        {"macos": "26.0"}, (
            command(f"install_name_tool -add_rpath @loader_path/../lib {path}"), command("codesign -f -s - tool")
        ),
        f"docs/rules/{rule}.md",
    )  # fmt: skip
    mark = f"{abs(hash((rule, subject, path))):032x}"[:32]
    return AuditFinding(
        made, severity, origin, path, ("arm64", "x86_64"), (V26,), (V12, V15),
        "fails on macOS 26, launches on older ones",
        ("tool",), 2, mark, suppressed,
    )  # fmt: skip


def audit(*findings: AuditFinding, results: tuple[Result, ...] = (), **more: object) -> AuditReport:
    given = AuditInput("dist/app", "folder", TargetPath("/opt/app"), "app", None, (), False, ("dist/app/bin/tool",))
    made = AuditReport(
        results, findings, (given,), PolicySummary("release", (V12, V15, V26), Severity.ERROR), tool="1.2.3"
    )
    return evolve(made, **more)  # type: ignore[arg-type]


def full() -> AuditReport:
    """One of everything."""
    return audit(
        finding(),
        finding("MC402", "foreign-run-path", Severity.WARNING, subject="/Users/ci/lib"),
        finding("MC121", "dead-run-path", Severity.INFO, subject="/nowhere"),
        finding("MC402", "foreign-run-path", Severity.WARNING, subject="/opt/homebrew/lib", suppressed=REASONED),
        errors=(InputError("not a zip file", path="dist/broken.whl"),),
        stale=(StaleSuppression(REASONED, "matches nothing"),),
    )


def hostile() -> AuditReport:
    """Every text that comes from a file or a user means harm."""
    base = finding(subject=EVIL, path=f"bin/{EVIL}", message=f"tool loads {EVIL}", origin="dist/app")
    evil = evolve(
        base,
        finding=evolve(base.finding, remedies=(advice(EVIL),), image=EVIL),
        when=EVIL,
        processes=(EVIL,),
        archs=("arm64",),
    )
    result = process([("/opt/" + EVIL, Outcome.LOADED), (EVIL, Outcome.MISSING)], path="/opt/app/" + EVIL)
    given = AuditInput(EVIL, "wheel", TargetPath("/" + EVIL), EVIL, EVIL, (EVIL,), True)
    suppressed = evolve(REASONED, reason=EVIL, file=EVIL, entry=EVIL)
    return audit(
        evil,
        evolve(evil, suppressed=suppressed),
        results=(evolve(result, message=EVIL, input=EVIL),),
        inputs=(given,),
        errors=(InputError(EVIL, path=EVIL),),
        stale=(StaleSuppression(suppressed, EVIL),),
        skipped=(EVIL,),
        policy=PolicySummary(EVIL, (), Severity.ERROR, (EVIL,), EVIL),
    )


def process(
    libraries: list[tuple[str, Outcome]],
    *,
    path: str = "/opt/app/bin/tool",
    given: str = "dist/app/bin/tool",
    macos: Version = V26,
) -> Result:
    """A process whose main executable asks for each library; those found are files without loads of their own."""
    header = Image(Arch.named("arm64"), 2, 0, uuid=bytes(range(16)))
    images = [LoadedImage(0, TargetPath(path), Origin.DISK, None, header)]
    loads = []
    for ordinal, (name, outcome) in enumerate(libraries, 1):
        dylib = LinkedDylib(ordinal, "LC_LOAD_DYLIB", name, ordinal, Version.of(1), Version.of(1))
        to = None
        if outcome is Outcome.LOADED:
            to = len(images)
            system = name.startswith("/usr/lib")
            library = evolve(header, file_type=6, install_name=name, id_current_version=Version.of(1, 2, 3))
            images.append(
                LoadedImage(
                    to, TargetPath(name), Origin.OS if system else Origin.DISK, name, None if system else library
                )
            )
        loads.append(Load(0, dylib, to, outcome))
    missing = any(load.outcome is Outcome.MISSING for load in loads)
    return Result(
        given, TargetPath(path), "arm64", "MH_EXECUTE", macos, False, not missing,
        "Library not loaded" if missing else None, tuple(images), tuple(loads),
    )  # fmt: skip


@lru_cache(maxsize=1)
def hello() -> AuditReport:
    """The processes of testdata/hello as they really are, on two releases."""
    folder = str(ROOT / "testdata" / "hello")
    found = api.resolve([folder], target=Target(macos=("12", "26")), world=World())
    given = AuditInput(folder, "folder", TargetPath(folder), "hello", "1.0", (), False)
    return AuditReport(
        found.results, (finding(origin=folder, path="bin/greeter-broken"),), (given,),
        PolicySummary("release", (V12, V26), Severity.ERROR), tool="1.2.3",
    )  # fmt: skip
