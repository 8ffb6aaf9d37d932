"""A library that is not there: which of the neighbouring causes the text bears, and what must not be said of it."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer

U = "<AB0E5C11-2222-3A01-AC01-000000000001>"
K = "/System/Volumes/Preboot/Cryptexes/OS"


def missing(library: str, asker: str, *tried: str) -> Answer:
    """Return the answer to a launch in which a library is not there: in the words of dyld2 where nothing was tried."""
    if not tried:
        text = f"dyld: Library not loaded: {library}\n  Referenced from: {asker}\n  Reason: image not found"
    else:
        listed = ", ".join(f"'{path}' (no such file)" for path in tried)
        text = f"dyld[7]: Library not loaded: {library}\n  Referenced from: {U} {asker}\n  Reason: tried: {listed}"
    (found,) = diagnose(text).answers
    return found


def brewed(library: str, asker: str, real: str = "") -> Answer:
    paths = [p for path in (library, real) if path for p in (path, K + path, path)]
    return missing(library, asker, *paths)


@pytest.mark.parametrize(
    ("library", "asker", "cause"),
    [
        ("@executable_path/../.Python", "/Users/u/env/bin/python", Cause.STALE_DEPENDENT),
        (
            "/opt/homebrew/Cellar/python@3.9/3.9.7/Frameworks/Python.framework/Versions/3.9/Python",
            "/Users/u/.venv/bin/python3.9",
            Cause.STALE_DEPENDENT,
        ),
        ("/opt/X11/lib/libX11.6.dylib", "/usr/local/bin/tin", Cause.UNDECLARED_DEPENDENCY),
        ("/usr/lib/swift/libswift_Tin.dylib", "/w/tin", Cause.NEWER_MACOS),
        ("@rpath/libswiftCore.dylib", "/w/tin", Cause.SWIFT_RUNTIME),
    ],
)
def test_what_a_path_names_decides_before_where_it_lies(library: str, asker: str, cause: Cause) -> None:
    found = missing(library, asker)
    assert found.cause is cause
    assert not any("install_name_tool" in step for step in found.remedy)


def test_a_version_that_is_installed_is_not_to_be_installed() -> None:
    old, real = "/opt/homebrew/opt/tin/lib/libtin.33.dylib", "/opt/homebrew/Cellar/tin/3.8_2/lib/libtin.33.dylib"
    for asker in (
        "/Library/Frameworks/R.framework/Versions/4.3-arm64/Resources/library/pan/libs/pan.so",
        "/Users/u/bin/pan",
        "/opt/homebrew/Cellar/pan/1.0/bin/pan",
    ):
        found = brewed(old, asker, real)
        assert found.cause is Cause.STALE_DEPENDENT
        assert not any("brew install tin" in step for step in found.remedy)
    assert brewed(old, "/Applications/Pan.app/Contents/MacOS/Pan", real).cause is Cause.BUILD_MACHINE_PATH


@pytest.mark.parametrize(
    ("asker", "step"),
    [
        ("/Users/u/.rvm/gems/ruby-2.6.3/gems/pan-0.5.2/lib/pan/pan.bundle", "gem pristine pan"),
        ("/Users/u/.rvm/gems/ruby-3.2.0/gems/pan-0.5.2-arm64-darwin/lib/pan/pan.bundle", "gem pristine pan"),
        (
            "/Library/Frameworks/R.framework/Versions/4.3-arm64/Resources/library/pan/libs/pan.so",
            'install.packages("pan"',
        ),
        ("/w/node_modules/@tin/pan/build/Release/pan.node", "npm rebuild @tin/pan"),
    ],
)
def test_what_asks_is_built_anew_by_who_looks_after_its_place(asker: str, step: str) -> None:
    library, real = "/opt/homebrew/opt/tin/lib/libtin.33.dylib", "/opt/homebrew/Cellar/tin/3/lib/libtin.33.dylib"
    found = brewed(library, asker, real)
    assert any(step in each for each in found.remedy), found.remedy
    assert not any("brew reinstall" in each for each in found.remedy)


def test_a_run_path_into_a_package_that_is_not_there_names_the_package() -> None:
    found = brewed("@rpath/libpan.1.dylib", "/w/tin.dylib").remedy  # no attempt: nothing to name
    assert not any("brew" in step for step in found)
    path = "/opt/homebrew/opt/pan/lib/libpan.1.dylib"
    named = missing("@rpath/libpan.1.dylib", "/w/tin.dylib", path, K + path, path)
    assert named.cause is Cause.UNDECLARED_DEPENDENCY
    assert named.remedy[0] == "brew install pan"


def test_a_list_of_attempts_says_nothing_of_the_sdk_nor_of_a_restricted_process() -> None:
    found = missing("@rpath/Tin.framework/Tin", "/Applications/Pan.app/Contents/MacOS/Pan",
                    "/Applications/Pan.app/Contents/Frameworks/Tin.framework/Tin",
                    "/System/Library/Frameworks/Tin.framework/Tin")  # fmt: skip
    assert not found.process.notes
    assert found.process.hardened is None
    assert not any("hardened and ignores" in each for each in found.avoid)


def test_a_list_without_uuids_has_no_newest_release() -> None:
    (found,) = diagnose(
        "dyld[7]: Library not loaded: /w/libtin.dylib\n  Referenced from: /w/pan\n"
        "  Reason: tried: '/w/libtin.dylib' (no such file), '/usr/local/lib/libtin.dylib' (no such file)"
    ).answers
    span = found.evidence.macos_range
    assert span is not None
    assert span.high is None


def test_a_program_of_an_iphone_says_nothing_of_macos() -> None:
    head = "dyld: Library not loaded: @rpath/Tin.framework/Tin\n  Referenced from: {}\n  Reason: image not found"
    for place in (
        "/private/var/containers/Bundle/Application/0B/Pan.app/Pan",
        "/w/CoreSimulator/Devices/0A/Pan.app/Pan",
    ):
        (found,) = diagnose(head.format(place)).answers
        assert found.evidence.macos_range is None
    (report,) = diagnose(
        "OS Version: iPhone OS 12.1.2 (16C104)\n" + head.format("/var/containers/Bundle/x/Pan")
    ).answers
    assert report.evidence.macos is None


def test_a_uuid_is_no_mark_of_whoever_pasted() -> None:
    (found,) = diagnose(
        f"dyld[7]: Library not loaded: @rpath/libtin.dylib\n  Referenced from: {U} /w/pan\n  Reason: tried:"
        f" '/w/libtin.dylib' (code signature in {U} '/w/libtin.dylib' not valid for use in process: mapping process and"
        " mapped file (non-platform) have different Team IDs)"
    ).answers
    assert not any("shortened" in note for note in found.notes)


def test_spellings_of_one_name_are_one_answer() -> None:
    names = ("libtin.so.2", "libtin.2.dylib", "libtin-2.dll")
    (found,) = diagnose(
        "\n".join(f"cannot load library '{n}': dlopen({n}, 0x0002): tried: '{n}' (no such file)" for n in names)
    ).answers
    assert found.cause is Cause.PROBE
    assert found.fact("lib") == "libtin.2.dylib"
    (alone,) = diagnose("OSError: dlopen(libtin.dylib, 6): image not found").answers
    assert (alone.cause, alone.alternatives[0]) == (Cause.PROBE, Cause.OWN_NAME)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("mach-o, but not built for iOS simulator", Cause.OTHER_PLATFORM),
        ("mach-o file, but is an incompatible platform (have 'iOS', need 'iOS-simulator')", Cause.OTHER_PLATFORM),
        ("unknown file type, first eight bytes: 0x7F 0x45 0x4C 0x46 0x02 0x01 0x01 0x00", Cause.FOREIGN_FILE),
    ],
)
def test_what_dyld_says_of_the_file_has_no_rival_among_paths(words: str, cause: Cause) -> None:
    found_by = (
        f"no suitable image found.  Did find:\n\t/w/libtin.dylib: {words}",
        f"tried: '/w/libtin.dylib' ({words})",
    )
    for reason in found_by:
        (found,) = diagnose(f"dlopen(/w/libtin.dylib, 0x0001): {reason}").answers
        assert found.cause is cause
        assert Cause.BUILD_MACHINE_PATH not in found.alternatives


def test_a_file_for_apple_silicon_in_an_intel_process_leaves_open_which_mac_it_is() -> None:
    text = (
        "ImportError: dlopen(/w/tin.so, 0x0002): tried: '/w/tin.so' (mach-o file, but is an incompatible architecture"
        " (have 'arm64', need 'x86_64'))"
    )
    (found,) = diagnose(text).answers
    assert (found.cause, found.alternatives) == (Cause.PROCESS_ARCHITECTURE, (Cause.WRONG_ARCHITECTURE,))
    assert "if this is no Intel Mac" in found.because[0]
    (intel,) = diagnose(f"$ uname -m\nx86_64\n{text}").answers
    assert intel.cause is Cause.WRONG_ARCHITECTURE


def test_a_number_that_begins_like_that_of_a_refusal_is_none() -> None:
    (found,) = diagnose(
        "dyld: Library not loaded: @rpath/libtin.dylib\n  Referenced from: /w/pan\n  Reason: no suitable image found."
        "  Did find:\n\t/w/libtin.dylib: stat() failed with errno=12"
    ).answers
    assert found.cause is Cause.OUT_OF_MEMORY


def test_a_string_with_escapes_that_a_terminal_broke_is_one_line() -> None:
    text = (
        "{:error,\n {:load_failed,\n  'Failed to load NIF library: \\'dlopen(/w/tin.so, 2): Symbol not found:"
        " __ZN3tin9allo\ncatorE\\n  Referenced from: /w/pan.so (which was built for Mac OS X 13.1)\\n"
        "  Expected in: /usr/\nlib/libc++.1.dylib\\n\\''}}"
    )
    (found,) = diagnose(text).answers
    assert found.fact("sym") == "__ZN3tin9allocatorE"
    assert found.fact("expected") == "/usr/lib/libc++.1.dylib"
    assert (found.cause, found.alternatives) == (Cause.NEWER_MACOS, ())


def test_a_package_manager_in_a_folder_of_its_own_is_one_and_a_bundle_is_none() -> None:
    keg = "/opt/tin/homebrew/Cellar/pan/1.0.1j/lib/libpan.1.0.dylib"
    assert missing(keg, "/opt/tin/homebrew/opt/can/lib/libcan.1.dylib").cause is Cause.STALE_DEPENDENT
    inside = "/Applications/Tin.app/Contents/Resources/homebrew/opt/pan/lib/libpan.1.dylib"
    assert diagnose(f"Library not loaded: {inside}\n").answers[0].cause is Cause.NOT_PACKAGED


def test_a_run_time_that_a_version_manager_took_away_is_stale() -> None:
    found = missing(
        "/Users/u/.rvm/rubies/ruby-3.1.3/lib/libruby.3.1.dylib", "/w/ruby/3.1.0/gems/pan-5.1.2/lib/pan.bundle"
    )
    assert found.cause is Cause.STALE_DEPENDENT
    assert any("gem pristine pan" in step for step in found.remedy)


def test_the_file_that_is_refused_is_to_be_built_anew_and_not_what_asks() -> None:
    (found,) = diagnose(
        "dlopen(/w/library/Tin/libs/Tin.so, 0x0006): Library not loaded: /opt/X11/lib/libpan.1.dylib\n"
        "  Referenced from: /w/library/Tin/libs/Tin.so\n  Reason: tried: '/opt/X11/lib/libpan.1.dylib' (fat file, but"
        " missing compatible architecture (have 'i386,x86_64', need 'arm64e'))"
    ).answers
    assert any("XQuartz" in step for step in found.remedy)
    assert not any("install.packages" in step for step in found.remedy)


@pytest.mark.parametrize(
    ("into", "why", "cause"),
    [
        ("library validated", "code signing blocked mmap() of '/w/libtin.dylib'", Cause.LIBRARY_VALIDATION),
        ("library validated", None, Cause.INSERTED),
        ("hardened", "mach-o, but wrong architecture", Cause.INSERTED),
    ],
)
def test_a_library_that_could_not_be_inserted_is_missing_only_if_dyld_says_so(
    into: str, why: str | None, cause: Cause
) -> None:
    said = f"no suitable image found.  Did find:\n\t/w/libtin.dylib: {why}" if why else "image not found"
    (found,) = diagnose(
        f"dyld: warning: could not load inserted library '/w/libtin.dylib' into {into} process because {said}\n"
    ).answers
    assert found.cause is cause
    assert ("is missing" in found.headline) is (why is None)


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        ("mapping process is a platform binary, but mapped file is not", Cause.LIBRARY_VALIDATION),
        ("Trying to load an unsigned library", Cause.SIGNATURE_MISSING),
    ],
)
def test_what_the_kernel_says_of_a_signature_names_the_cause(why: str, cause: Cause) -> None:
    words = f"code signature in (/w/tin) not valid for use in process: {why}"
    for text in (f"dlopen(/w/tin, 0x0109): {words}", f"dlopen(/w/tin, 0x0109): tried: '/w/tin' ({words})"):
        (found,) = diagnose(text).answers
        assert found.cause is cause
        if "platform" in why:
            assert not any("codesign" in step for step in found.remedy)


@pytest.mark.parametrize(
    ("said", "release"),
    [
        ("on High Sierra `v10.13.6` I find", "10.13.6"),
        ("MacBook Pro 2020 with M1 and Monterey (12.4)", "12.4"),
        ("macOS: Catalina 10.15.3", "10.15.3"),
        ("- core 2 duo, osx 10.5.8", "10.5.8"),
        ("old 2008 macbook, 10.6.8 mac os.", "10.6.8"),
        ("Xcode 14.2 on Ventura", None),
        ("needs macOS 12.3 or later", None),
    ],
)
def test_a_release_is_read_in_every_way_people_write_it(said: str, release: str | None) -> None:
    assert diagnose(f"{said}\nLibrary not loaded: @rpath/libtin.dylib\n").answers[0].fact("os") == release


def test_a_run_path_that_otool_prints_is_a_fact() -> None:
    text = "path @loader_path/../tin (offset 12)\ndyld: Library not loaded: @rpath/libtin.dylib\n"
    assert dict(diagnose(text).context)["rpath"] == "@loader_path/../tin"


def test_a_path_of_windows_is_no_library_of_a_mac() -> None:
    (found,) = diagnose("System.DllNotFoundException: C:/w/Plugins/Tin.dll\n").answers
    assert found.cause is Cause.OTHER_SYSTEM


def test_a_hardened_process_that_looked_elsewhere_too_may_just_lack_the_file() -> None:
    refused = "'libtin.dylib' (relative path not allowed in hardened program)"
    head = f"dlopen(libtin.dylib, 0x0009): tried: {refused}, "
    (alone,) = diagnose(f"{head}'/usr/lib/libtin.dylib' (no such file, not in dyld cache)").answers
    assert alone.cause is Cause.RESTRICTED_PATH
    (also,) = diagnose(f"{head}'/Applications/Pan.app/Contents/Frameworks/libtin.dylib' (no such file)").answers
    assert (also.cause, also.alternatives[0]) == (Cause.PROBE, Cause.RESTRICTED_PATH)


def test_a_text_that_breaks_off_does_not_say_that_the_file_is_missing() -> None:
    message = "  Library not loaded: @rpath/libtin.dylib\n  Referenced from: /w/pan\n"
    message += "  Reason: no suitable image found.  Did fi"
    (found,) = diagnose(f"Termination Reason:    DYLD, [0x5] Code Signature\n\nDyld Error Message:\n{message}").answers
    assert found.cause is Cause.SIGNATURE_BROKEN
    assert "is missing" not in found.headline


def test_a_library_of_macos_that_gets_an_older_one_of_macos_was_led_astray() -> None:
    tin, pan = (f"/System/Library/Frameworks/{n}.framework/Versions/A/{n}" for n in ("Tin", "Pan"))
    (found,) = diagnose(
        f"dyld: Library not loaded: {tin}\n  Referenced from: {pan}\n  Reason: Incompatible library version: Pan"
        " requires version 1.0.0 or later, but Tin provides version 0.0.0"
    ).answers
    assert found.cause is Cause.SYSTEM_SHADOW
    assert any("unset DYLD_LIBRARY_PATH" in step for step in found.remedy)


def test_the_cut_path_of_what_asks_is_no_file() -> None:
    head = "dlopen(/w/Tin.framework/Resources/modules//pan.so, 0x0006): Library not loaded: {}\n  Referenced from: {}"
    for asker in ("'/w/Tin.frame", f"{U} /w/Tin.framework"):
        (found,) = diagnose(head.format("/opt/X11/lib/libSM.6.dylib", asker)).answers
        assert found.fact("asker") == "/w/Tin.framework/Resources/modules//pan.so"


def test_a_library_the_same_r_lacks_is_not_that_of_another_r() -> None:
    home = "/Library/Frameworks/R.framework/Versions/3.1/Resources/"
    same = missing(home + "lib/libtin.dylib", home + "library/pan/libs/pan.so")
    other = missing(home + "lib/libR.dylib", home.replace("3.1", "3.2") + "library/pan/libs/pan.so")
    assert (same.cause, other.cause) == (Cause.UNDECLARED_DEPENDENCY, Cause.STALE_DEPENDENT)


@pytest.mark.parametrize(
    "words",
    [
        'Failed to load dynamic library (dlopen failed: library "/data/data/tin/lib/libpan.so" not found)',
        "Failed to load dynamic library 'tin.dll': error code 126",
        "Failed to load dynamic library 'libtin.so': libtin.so: Ne peut ouvrir le fichier d'objet partagé",
    ],
)
def test_what_other_systems_say_to_dart_is_theirs(words: str) -> None:
    (found,) = diagnose(f"Unhandled Exception: Invalid argument(s): {words}\n").answers
    assert found.cause is Cause.OTHER_SYSTEM


@pytest.mark.parametrize(
    ("library", "installs"),
    [
        ("/Users/build/tin/lib/libtin.dylib", False),
        ("/nix/store/abc-tin-1/lib/libtin.dylib", False),
        ("/usr/local/opt/tin/lib/libtin.dylib", True),
    ],
)
def test_no_package_brings_a_file_of_somebody_s_build(library: str, installs: bool) -> None:
    found = missing(library, "/Applications/Pan.app/Contents/MacOS/Pan")
    assert found.cause is Cause.BUILD_MACHINE_PATH
    assert any("install the package" in step or "brew install" in step for step in found.remedy) is installs


def test_a_library_in_the_folder_of_its_own_product_was_left_out() -> None:
    root = "/Library/Application Support/Tin/3"
    assert missing(f"{root}/Libraries/libpan.dylib", f"{root}/PlugIns/can.dylib").cause is Cause.NOT_PACKAGED
    assert missing(f"{root}/Libraries/libpan.dylib", "/w/can.dylib").cause is Cause.BUILD_MACHINE_PATH
