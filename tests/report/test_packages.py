"""Package URLs and licences as bills of materials have them."""

from __future__ import annotations

import pytest
from attrs import evolve

from machochain.model.go import GoBuildInfo, GoModule
from machochain.model.materials import PackageFacts, PackageKind
from machochain.report.packages import Licence, homepage_of, licence_of, module_purl, modules_of, package_purl, purl

FACTS = PackageFacts(PackageKind.PYPI, "x", "1", (), None, None, None, None, "x-1.dist-info/METADATA")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (("MIT",), Licence("MIT", ())),
        (("mit or apache-2.0",), Licence("MIT OR Apache-2.0", ())),
        (("BSD 3-Clause", "MIT License"), Licence("MIT", ())),
        (("BSD License",), Licence(None, ("BSD License",))),
        (("Apache Software License",), Licence(None, ("Apache Software License",))),
        (("LicenseRef-Mine",), Licence(None, ("LicenseRef-Mine",))),
        (("SEE LICENSE IN LICENSE.md",), Licence(None, ("SEE LICENSE IN LICENSE.md",))),
        ((), Licence(None, ())),
    ],
)
def test_a_licence_is_an_expression_where_it_names_one_and_words_elsewhere(
    stated: tuple[str, ...], expected: Licence
) -> None:
    assert licence_of(evolve(FACTS, licences=stated)) == expected


@pytest.mark.parametrize(
    ("kind", "name", "version", "url"),
    [
        ("wheel", "Foo.Bar_baz", "1.0+local", "pkg:pypi/foo-bar-baz@1.0%2Blocal"),
        ("npm", "@scope/Pkg", "2", "pkg:npm/%40scope/pkg@2"),
        ("conda", "x", None, "pkg:conda/x"),
        ("crate", "serde", "1.0.1", "pkg:cargo/serde@1.0.1"),
        ("gem", "nokogiri", "1", "pkg:gem/nokogiri@1"),
        ("nupkg", "SkiaSharp", "3", "pkg:nuget/SkiaSharp@3"),
        ("wheel", "a b/c?d#e", "1", "pkg:pypi/a%20b%2Fc%3Fd%23e@1"),
        ("app", "X", "1", None),
        ("npm", "", "1", None),
    ],
)
def test_a_package_has_the_url_of_its_type(kind: str, name: str, version: str | None, url: str | None) -> None:
    assert purl(kind, name, version) == url


def test_what_says_of_itself_what_it_is_has_a_url_and_a_bundle_none() -> None:
    assert package_purl(FACTS) == "pkg:pypi/x@1"
    assert package_purl(evolve(FACTS, kind=PackageKind.BUNDLE)) is None


def test_go_modules_are_those_that_went_in() -> None:
    old, new = GoModule("example.org/a", "v1.0.0"), GoModule("example.org/fork", "v1.0.1", "h1:x")
    info = GoBuildInfo("go1.26.5 X:nodwarf5", dependencies=(evolve(old, replaced_by=new), GoModule("./local")))
    assert [(m.path, o and o.path) for m, o in modules_of(info)] == [
        ("stdlib", None), ("example.org/fork", "example.org/a"), ("./local", None),
    ]  # fmt: skip
    assert module_purl(next(modules_of(info))[0]) == "pkg:golang/stdlib@v1.26.5"
    assert module_purl(new) == "pkg:golang/example.org/fork@v1.0.1"
    assert module_purl(GoModule("example.org/a", "(devel)")) == "pkg:golang/example.org/a"


@pytest.mark.parametrize("text", ["javascript:alert(1)", "https://x y", 'https://x"', "https://x/\n", "ftp://x", None])
def test_an_address_that_is_none_is_left_out(text: str | None) -> None:
    assert homepage_of(evolve(FACTS, homepage=text)) is None
    assert homepage_of(evolve(FACTS, homepage="https://x.org/a?b#c")) == "https://x.org/a?b#c"
