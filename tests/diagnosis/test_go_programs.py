"""Messages about programs that cmd/go made for one run: nothing is told to edit a file that is temporary."""

from __future__ import annotations

import pytest

import machochain

CACHED = f"/Users/me/Library/Caches/go-build/ab/{'ab' * 32}-d/hello"
FRESH = "/private/var/folders/x/T/go-build123/b001/exe/hello"
TEST = "/private/var/folders/x/T/go-build123/b001/pkg.test"
GONE = "/opt/homebrew/opt/foo/lib/libfoo.1.dylib"


def told(library: str, asker: str, tried: str) -> str:
    text = (
        f"dyld[1]: Library not loaded: {library}\n"
        f"  Referenced from: <00000000-0000-0000-0000-000000000000> {asker}\n"
        f"  Reason: tried: '{tried}' (no such file)\n"
    )
    return machochain.render(machochain.diagnose(text))


def test_a_cached_program_whose_library_is_gone_is_linked_anew() -> None:
    text = told(GONE, CACHED, GONE)

    assert "go run -a" in text
    assert text.index("go run -a") < text.index("brew install foo")
    assert "install_name_tool" not in text


def test_a_fresh_program_whose_library_is_gone_needs_the_library() -> None:
    text = told(GONE, FRESH, GONE)

    assert "brew install foo" in text
    assert "go run -a" not in text, "it has just been linked"
    assert "install_name_tool" not in text


@pytest.mark.parametrize("asker", [FRESH, CACHED, TEST])
def test_a_library_beside_a_temporary_program_is_not_to_be_copied_there(asker: str) -> None:
    folder = asker.rpartition("/")[0]
    text = told("@executable_path/libfoo.dylib", asker, f"{folder}/libfoo.dylib")

    assert "copy libfoo.dylib" not in text
    assert "install_name_tool -id @rpath/libfoo.dylib" in text


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x.go: malformed #cgo argument: -La$(pwd)", "MC702"),
        ("x.go: invalid #cgo verb: #cgo ldflags: -la", "MC702"),
        ("use of cgo in test x_test.go not supported", "MC705"),
    ],
)
def test_errors_about_cgo_lines_lead_to_the_rule(line: str, rule: str) -> None:
    assert f"machochain explain {rule}" in machochain.render(machochain.diagnose(line))
