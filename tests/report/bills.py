"""An audit that was asked what its inputs are made of: a wheel with a package in it, and a program that Go made."""

from __future__ import annotations

from attrs import evolve

from machochain.model.arch import Arch
from machochain.model.audit import AuditBinary, AuditInput, AuditReport
from machochain.model.go import GoBuildInfo, GoModule
from machochain.model.image import Image
from machochain.model.materials import FileDigest, Materials, PackageFacts, PackageKind
from machochain.model.paths import TargetPath
from machochain.model.result import Outcome
from tests.report.audits import audit, process

SUM = "ab" * 32


def facts(name: str, *licences: str, kind: PackageKind = PackageKind.PYPI, files: tuple[str, ...] = ()) -> PackageFacts:
    return PackageFacts(
        kind, name, "1.0", licences, "Somebody & Co", "https://example.org/", "© 2026", None, f"{name}/METADATA", files
    )


def everything() -> AuditReport:
    """Each kind of thing that a bill of materials tells."""
    wheel = AuditInput("foo.whl", "wheel", TargetPath("/site-packages"), "Foo", "1.0", (), True)
    folder = AuditInput("bin", "folder", TargetPath("/opt/bin"), "bin")
    info = GoBuildInfo(
        "go1.26.5", "example.org/tool", GoModule("example.org/tool", "v2.0.0"),
        (GoModule("example.org/a", "v1.0.0", "h1:a"), GoModule("example.org/b", replaced_by=GoModule("../b"))),
    )  # fmt: skip
    header = Image(Arch.named("arm64"), 2, 0)
    module, library = "/site-packages/foo/x.so", "/site-packages/odd/libx.dylib"
    places = [("foo.whl", "foo/x.so", module), ("foo.whl", "odd/libx.dylib", library), ("bin", "tool", "/opt/bin/tool")]
    binaries = tuple(AuditBinary(o, p, TargetPath(t), header, None, ("arm64",)) for o, p, t in places)
    inner = facts("odd", "My own <licence>", kind=PackageKind.NPM, files=("odd/libx.dylib",))
    materials = (
        Materials(
            "foo.whl", FileDigest("foo.whl", 9, SUM), tuple(FileDigest(p, 9, SUM) for o, p, _ in places if o != "bin"),
            (facts("Foo", "MIT", files=("foo/x.so",)), inner),
        ),
        Materials("bin", None, (FileDigest("tool", 9, SUM),), (), (("tool", info),)),
    )  # fmt: skip
    results = (
        process([(library, Outcome.LOADED)], path=module, given="foo.whl:foo/x.so"),
        process([("/usr/lib/libSystem.B.dylib", Outcome.LOADED)], path="/opt/bin/tool", given="bin/tool"),
    )  # fmt: skip
    return evolve(audit(results=results, inputs=(wheel, folder), binaries=binaries), materials=materials)
