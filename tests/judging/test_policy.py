"""A policy says what it means, or where it makes no sense."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from machochain.findings import RULES
from machochain.findings.expectations import Bounds, Expectations, matches
from machochain.judging.policy import PROFILES
from machochain.judging.policy_file import builtin_policy, find_policy, parse_policy, read_policy
from machochain.model.errors import UsageError
from machochain.model.result import Severity
from machochain.model.version import Version

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
WHOLE = """
profile = "app"
macos = ["12..13", "26"]
archs = ["arm64", "x86_64"]
allow-libraries = ["/opt/x/*"]
forbid-libraries = ["*/libssl*"]
required-libraries = ["*/libz*"]
allow-run-paths = ["@loader_path/*"]
forbid-run-paths = ["/opt/*"]
minos = { min = "11", max = "12.0" }
sdk = { min = "14" }
fail-on = "warning"
sdks = ["sdk/MacOSX.sdk"]

[severity]
MC402 = "off"
missing-uuid = "warning"

[[override]]
path = "plugins/*"
severity = { MC402 = "error" }
minos = { max = "13.0" }

[[ignore]]
rule = "MC120"
path = ["a/*", "b/*"]
library = "/usr/local/lib"
reason = "kept for plug-ins"
expires = 2027-01-31
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "machochain.toml"
    file.write_text(WHOLE)

    policy = read_policy(file)

    asked = policy.expectations
    assert policy.profile == "app"
    assert [str(v) for v in policy.macos] == ["12.0", "12.3", "12.5", "13.0", "13.3", "13.5", "26.0"]
    assert policy.fail_on is WARNING
    assert policy.sdks == (str(tmp_path / "sdk" / "MacOSX.sdk"),)
    assert policy.sources == (str(file),)
    assert (asked.archs, asked.allow_libraries) == (("arm64", "x86_64"), ("/opt/x/*",))
    assert (asked.forbid_libraries, asked.required_libraries) == (("*/libssl*",), ("*/libz*",))
    assert (asked.allow_run_paths, asked.forbid_run_paths) == (("@loader_path/*",), ("/opt/*",))
    assert asked.minos == Bounds(Version.of(11), Version.of(12))
    assert asked.sdk == Bounds(Version.of(14))
    assert asked.severity == {"MC234": ERROR, "MC401": ERROR, "MC402": None, "MC301": WARNING}
    (ignore,) = policy.ignores
    assert (ignore.rule, ignore.paths, ignore.libraries) == ("MC120", ("a/*", "b/*"), ("/usr/local/lib",))
    assert (ignore.reason, ignore.expires) == ("kept for plug-ins", date(2027, 1, 31))
    assert ignore.entry == "ignore[0] MC120 a/* b/* /usr/local/lib"


def test_an_override_counts_for_its_paths_only() -> None:
    override = {"path": "plugins/*", "severity": {"MC402": "error"}, "minos": {"max": "13"}}
    policy = parse_policy({"minos": {"max": "12"}, "sdk": {"min": "14"}, "override": [override]}, "p")

    inside, outside = policy.of("plugins/a.so"), policy.of("lib/a.so")

    assert (inside.minos, outside.minos) == (Bounds(None, Version.of(13)), Bounds(None, Version.of(12)))
    assert inside.sdk == outside.sdk == Bounds(Version.of(14))
    assert (inside.severity.get("MC402"), outside.severity.get("MC402")) == (ERROR, None)
    assert inside.severity["MC401"] is ERROR, "what the profile says holds on"


def test_of_several_overrides_the_later_counts_more() -> None:
    first = {"path": "*", "archs": ["arm64"], "sdk": {"min": "14"}}
    policy = parse_policy({"override": [first, {"path": ["a/*", "b/*"], "archs": ["x86_64"]}]}, "p")

    assert policy.of("b/x").archs == ("x86_64",)
    assert policy.of("b/x").sdk == Bounds(Version.of(14))
    assert policy.of("c/x").archs == ("arm64",)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"forbid-librarys": []}, "p: unknown key 'forbid-librarys'; did you mean 'forbid-libraries'?"),
        ({"fail_on": "error"}, "p: unknown key 'fail_on'; did you mean 'fail-on'?"),
        ({"xyz": 1}, "p: unknown key 'xyz'; known are profile, macos,"),
        ({"profile": "relase"}, "p: profile: 'relase' is none of release, wheel, app, dev; did you mean 'release'?"),
        ({"macos": 12}, 'p: macos: write versions in quotes: "12"'),
        ({"macos": "19"}, "p: macos: macOS 19.0 is not modelled"),
        ({"macos": ["15..12"]}, "p: macos: empty range: 15.0..12.0"),
        ({"archs": "arm64"}, "p: archs: must be a list, not a string"),
        ({"archs": ["arm64", "amd64"]}, "p: archs[1]: 'amd64' is none of arm64, x86_64"),
        ({"allow-libraries": ["a", 1]}, "p: allow-libraries[1]: must be a string, not a number"),
        ({"allow-libraries": [""]}, "p: allow-libraries[0]: must not be empty"),
        ({"minos": "11"}, "p: minos: must be a table, not a string"),
        ({"minos": {"low": "11"}}, "p: minos: unknown key 'low'; known are min, max"),
        ({"minos": {"min": 11}}, 'p: minos.min: write versions in quotes: "11"'),
        ({"sdk": {"min": "x"}}, "p: sdk.min: not a version number: 'x'"),
        ({"sdk": {"min": "15", "max": "14"}}, "p: sdk: min 15.0 is above max 14.0"),
        ({"severity": {"MC1010": "error"}}, "p: severity: no such rule: 'MC1010'; did you mean 'MC"),
        (
            {"severity": {"missing-uid": "error"}},
            "p: severity: no such rule: 'missing-uid'; did you mean 'missing-uuid'?",
        ),
        ({"severity": {"MC101": "fatal"}}, "p: severity.MC101: 'fatal' is none of error, warning, info, off"),
        ({"severity": ["MC101"]}, "p: severity: must be a table of rules, not a list"),
        ({"fail-on": True}, "p: fail-on: must be a string, not a boolean"),
        ({"sdks": [{}]}, "p: sdks[0]: must be a string, not a table"),
        ({"override": {}}, "p: override: must be a list, not a table"),
        ({"override": [{"archs": []}]}, "p: override[0]: needs 'path', the files it is about"),
        ({"override": [{"path": "*", "macos": "12"}]}, "p: override[0]: unknown key 'macos'"),
        ({"override": [{"path": "*"}, {"path": "*", "sdk": {"min": 1}}]}, "p: override[1].sdk.min: write versions"),
        ({"ignore": [{"rule": "MC101"}]}, "p: ignore[0]: needs 'reason'"),
        ({"ignore": [{"reason": "x"}]}, "p: ignore[0]: needs 'rule'"),
        ({"ignore": [{"rule": "MC9", "reason": "x"}]}, "p: ignore[0].rule: no such rule: 'MC9'"),
        ({"ignore": [{"rule": "MC101", "reason": ""}]}, "p: ignore[0].reason: must not be empty"),
        ({"ignore": [{"rule": "MC101", "reason": "x", "expires": 2027}]}, "p: ignore[0].expires: must be a date"),
        ({"ignore": [{"rule": "MC101", "reason": "x", "expires": "soon"}]}, "p: ignore[0].expires: 'soon' is no date"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(document: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(document, "p")
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a = ", "machochain.toml: "),
        (b"\xff\xfe", "machochain.toml: "),
        (b"#" * (2 << 20), "machochain.toml: longer than"),
        (b"a = " + b"[" * 10_000, "machochain.toml: "),
    ],
)
def test_a_file_that_is_no_policy_is_named(content: bytes, text: str, tmp_path: Path) -> None:
    file = tmp_path / "machochain.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_policy(file)
    assert text in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml: cannot be read: No such file or directory"):
        read_policy(tmp_path / "gone.toml")


def test_the_nearest_policy_up_to_the_repository_counts(tmp_path: Path) -> None:
    inner = tmp_path / "repository" / "src" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "machochain.toml").write_text("")
    (tmp_path / "repository" / ".git").mkdir()
    assert find_policy(inner) is None

    (tmp_path / "repository" / "pyproject.toml").write_text("[tool.machochain]\n")
    assert find_policy(inner) == tmp_path / "repository" / "pyproject.toml"

    (tmp_path / "repository" / "machochain.toml").write_text("")
    assert find_policy(inner) == tmp_path / "repository" / "machochain.toml"

    (inner.parent / "pyproject.toml").write_text("[tool.other]\n")
    assert find_policy(inner) == tmp_path / "repository" / "machochain.toml"


def test_the_table_of_a_pyproject_is_read_and_errors_name_it(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "x"\n[tool.machochain]\nprofile = "dev"\n')
    assert read_policy(file).profile == "dev"

    file.write_text("[tool.machochain]\nsevrity = {}\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml: tool\.machochain: unknown key 'sevrity'; did you mean"):
        read_policy(file)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_policies_and_name_rules_that_exist(name: str) -> None:
    policy = builtin_policy(name)
    assert policy.profile == name
    assert set(policy.expectations.severity) <= set(RULES)
    assert policy.fail_on is ERROR


def test_the_profile_of_the_command_line_replaces_that_of_the_file() -> None:
    policy = parse_policy({"profile": "wheel", "severity": {"MC301": "off"}}, "p", "dev")
    assert policy.profile == "dev"
    assert policy.expectations.severity["MC401"] is INFO
    assert policy.expectations.severity["MC301"] is None
    with pytest.raises(UsageError, match="profile: 'wheels' is none of"):
        builtin_policy("wheels")


@pytest.mark.parametrize(
    ("reported", "wanted", "judged"),
    [
        (ERROR, None, None),
        (ERROR, WARNING, WARNING),
        (ERROR, INFO, INFO),
        (WARNING, ERROR, WARNING),
        (INFO, WARNING, INFO),
        (WARNING, INFO, INFO),
    ],
)
def test_a_finding_milder_than_its_rule_stays_mild(
    reported: Severity, wanted: Severity | None, judged: Severity | None
) -> None:
    assert RULES["MC301"].severity is ERROR
    assert Expectations(severity={"MC301": wanted}).judge("MC301", reported) is judged


def test_a_rule_can_be_made_worse_than_it_is() -> None:
    assert RULES["MC402"].severity is WARNING
    assert Expectations(severity={"MC402": ERROR}).judge("MC402", WARNING) is ERROR
    assert Expectations(severity={"MC402": ERROR}).judge("MC402", INFO) is INFO
    assert Expectations().judge("MC402", INFO) is INFO


@pytest.mark.parametrize(
    ("text", "glob", "expected"),
    [
        ("a/b/c.so", "*.so", True),
        ("a/b/c.so", "a/*", True),
        ("a/b/c.so", "a/", True),
        ("a/b/c.so", "b/", False),
        ("A/b", "a/*", False),
        ("lib[1].so", "lib[[]1].so", True),
        ("x", "", False),
    ],
)
def test_globs(text: str, glob: str, expected: bool) -> None:
    assert matches(text, [glob]) is expected


@pytest.mark.parametrize("name", ["machochain.toml", "pyproject.toml"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_policy_that_anybody_may_write_is_refused_but_by_its_name(name: str, what: str, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    policy = folder / name
    text = 'fail-on = "never"\n'
    policy.write_text(text if name == "machochain.toml" else f"[tool.machochain]\n{text}")
    assert find_policy(folder) == policy
    (policy if what == "file" else folder).chmod(0o777)
    with pytest.raises(UsageError, match="everybody may write there"):
        find_policy(folder)
    assert read_policy(policy).fail_on is None


def test_a_policy_of_our_own_in_a_sticky_folder_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "machochain.toml").write_text("")
    folder.chmod(0o1777)
    assert find_policy(folder) == folder / "machochain.toml"


def test_a_policy_that_is_a_link_is_asked_where_it_leads(tmp_path: Path) -> None:
    ours, theirs, project = (tmp_path / name for name in ("ours", "theirs", "project"))
    for folder in (ours, theirs, project):
        folder.mkdir(mode=0o755)
        (folder / "x.toml").write_text("")
    theirs.chmod(0o777)
    link = project / "machochain.toml"
    link.symlink_to(ours / "x.toml")
    assert find_policy(project) == link
    (ours / "x.toml").chmod(0o666)
    with pytest.raises(UsageError, match="everybody may write there"):
        find_policy(project)
    # through a folder in which everybody may put another file, or another link
    (theirs / "way").symlink_to(project / "x.toml")
    for place in ("../theirs/x.toml", theirs / "way"):
        link.unlink()
        link.symlink_to(place)
        with pytest.raises(UsageError, match="everybody may write there"):
            find_policy(project)
