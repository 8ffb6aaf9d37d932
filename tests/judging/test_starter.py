"""The policy one begins with is read, as it stands and with every example in force."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from machochain.judging.policy import PROFILES
from machochain.judging.policy_file import IGNORE_KEYS, KEYS, builtin_policy, read_policy
from machochain.judging.starter import starter
from machochain.machine.ci import parse_policy
from machochain.model.errors import UsageError


def in_force(text: str) -> str:
    """Take the sign away from every example."""
    return re.sub(r"^# (?=\[|[\w-]+ = )", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("profile", PROFILES)
def test_as_it_stands_it_is_the_profile(profile: str, tmp_path: Path) -> None:
    file = tmp_path / "machochain.toml"
    file.write_text(starter(profile))
    read, built_in = read_policy(file), builtin_policy(profile)
    assert read.profile == profile
    assert read.expectations == built_in.expectations
    assert (read.macos, read.fail_on, read.ignores, read.overrides) == (
        built_in.macos, built_in.fail_on, (), (),
    )  # fmt: skip


def test_with_every_example_in_force_every_key_is_there_and_read(tmp_path: Path) -> None:
    file = tmp_path / "machochain.toml"
    file.write_text(in_force(starter()))
    document = tomllib.loads(file.read_text())
    assert set(document) == {*KEYS, "machochain"}
    assert set(document["ignore"][0]) == set(IGNORE_KEYS)
    policy = read_policy(file)
    assert len(policy.ignores) == len(policy.overrides) == 1
    assert policy.expectations != builtin_policy().expectations
    declared = parse_policy(file.read_text(), str(file))
    assert declared is not None
    assert declared.min_macos == "13.0"


def test_a_profile_nobody_knows_is_refused_with_a_guess() -> None:
    with pytest.raises(UsageError, match="did you mean 'wheel'"):
        starter("whel")


def test_only_the_table_of_doctor_may_stand_beside_the_policy(tmp_path: Path) -> None:
    file = tmp_path / "machochain.toml"
    file.write_text("[machochain.ci]\n")
    assert read_policy(file).profile == "release"
    file.write_text("[machochain.si]\n")
    with pytest.raises(UsageError, match="unknown key 'machochain'"):
        read_policy(file)
