"""What helps fits the system, the file and the reader: no command that cannot work, and none that harms."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer

A = "<1B0E5C11-2222-3A01-AC01-000000000001>"


def only(text: str) -> Answer:
    (found,) = diagnose(text).answers
    return found


def helps(text: str) -> str:
    return "\n".join(only(text).remedy)


@pytest.mark.parametrize("folder", ["Contents/MacOS", "Contents/MacOS/", "Contents", "Contents/Frameworks"])
def test_a_folder_inside_of_a_bundle_is_not_renamed_but_the_bundle_signed(folder: str) -> None:
    found = only(f"/w/My Tin.bundle/{folder}: bundle format unrecognized, invalid, or unsuitable")
    assert found.cause is Cause.BUNDLE_LAYOUT
    assert "codesign -f -s IDENTITY '/w/My Tin.bundle'   # the bundle as a whole" in found.remedy
    assert not any(word in step for step in found.remedy for word in ("rename", "Resources", "dot"))


def test_a_bundle_is_never_renamed_and_a_folder_of_data_may_be() -> None:
    bundle = helps("/w/Tin.framework: bundle format unrecognized, invalid, or unsuitable")
    data = helps("/w/Tin.app/Contents/MacOS/tin.1.2: bundle format unrecognized, invalid, or unsuitable")
    assert "Info.plist" in bundle
    assert "dot" not in bundle
    assert "Contents/Resources" in data


def test_the_part_codesign_names_is_the_one_that_does_not_fit_its_info_plist() -> None:
    text = "/w/Tin.app: invalid Info.plist (plist or signature have been modified)\n"
    found = only(text + "In subcomponent: /w/Tin.app/Contents/MacOS/Pan\nIn architecture: x86_64\n")
    assert "/w/Tin.app/Contents/MacOS/Pan" in found.headline
    assert found.remedy[0].startswith("codesign -f -s IDENTITY /w/Tin.app/Contents/MacOS/Pan")
    assert only(text).remedy == ("sign after the last change of Info.plist",)


def test_a_file_that_is_shorter_than_its_table_says_is_not_a_missing_helper() -> None:
    found = only(
        "error: /X/usr/bin/codesign_allocate: fat file: /w/My Tin.framework/Tin truncated or malformed (offset plus"
        " size of cputype (16777228) cpusubtype (0) extends past the end of the file)\n"
        "/w/My Tin.framework: the codesign_allocate helper tool cannot be found or used\n"
    )
    assert found.cause is Cause.MALFORMED
    assert found.fact("file") == "/w/My Tin.framework/Tin"
    assert not any("xcode-select" in step for step in found.remedy)


def test_the_tool_that_does_not_know_a_load_command_is_the_one_to_replace() -> None:
    line = "object: /w/tin malformed object (unknown load command 8)"
    assert "CODESIGN_ALLOCATE" in helps(f"codesign_allocate: {line}")
    assert "CODESIGN_ALLOCATE" not in helps(line)


def test_a_failed_signing_and_its_reason_are_one_class() -> None:
    found = diagnose(
        "/w/Tin.app: code object is not signed at all\n"
        "Developer ID Application: Tin Ltd (AAAAAAAAAA): no identity found\n"
    ).answers
    assert {a.cause for a in found} == {Cause.IDENTITY}
    assert not any("ad hoc" in step or "-s -" in step for a in found for step in a.remedy)


@pytest.mark.parametrize(
    ("name", "flag"),
    [("GL", "-framework OpenGL"), ("glut", "-framework GLUT"), ("openal", "-framework OpenAL"), ("stdc++", "-lc++")],
)
def test_a_library_of_linux_is_what_macos_has_in_its_place(name: str, flag: str) -> None:
    found = only(f"ld: library not found for -l{name}")
    assert found.cause is Cause.BUILD_FLAGS
    assert flag in found.remedy[0]
    assert not any("brew" in step or "-static" in step for step in found.remedy)


def test_names_of_c_plus_plus_alone_are_said_to_be() -> None:
    undefined = 'Undefined symbols for architecture arm64:\n  "{}", referenced from:\n      _main in tin.o\n'
    assert "clang++" not in helps(undefined.format("_OBJC_CLASS_$_TINView"))
    assert "clang++" in helps(undefined.format("tin::Pan::open()"))


def test_names_of_apple_s_frameworks_on_linux_lack_an_sdk() -> None:
    text = "error(link): undefined reference to symbol '_SecTinCopy'\nfirst referenced in '/home/u/tin/pan.o'\n"
    found = only(text)
    assert found.cause is Cause.SDK_MISSING
    assert any("SDKROOT" in step for step in found.remedy)


def test_a_link_of_a_framework_is_no_second_copy() -> None:
    line = (
        "objc[7]: Class TIN is implemented in both {} (0x10ff0c700) and {} (0x2115ef700). One of the two will be used."
    )
    one, other = "/w/T.app/Contents/Frameworks/P.framework/{}P", "/w/T.app/Contents/PlugIns/P.framework/P"
    assert only(line.format(one.format(""), one.format("Versions/A/"))).cause is Cause.NOISE
    assert only(line.format(one.format(""), other)).cause is Cause.DUPLICATE_RUNTIME


def test_a_warning_of_the_linker_is_said_to_be_one() -> None:
    found = only(
        "ld: warning: dylib (/w/libtin.dylib) was built for newer macOS version (12.3) than being linked (11.0)"
    )
    assert "a warning" in found.headline
    assert "export MACOSX_DEPLOYMENT_TARGET=12.3" in found.remedy[0]


def test_of_two_files_for_one_processor_the_one_meant_for_another_is_named() -> None:
    found = only(
        "fatal error: lipo: /b/iosX64/T.framework/T and /b/iosArm64/T.framework/T have the same architectures (arm64)"
        " and can't be in the same fat output file"
    )
    assert "/b/iosX64/T.framework/T is meant for x86_64" in found.because[0]


@pytest.mark.parametrize(
    ("first", "word"),
    [
        ("0x0A 0x0A 0x3C 0x21 0x44 0x4F 0x43 0x54", "web page"),
        ("0x3C 0x68 0x74 0x6D 0x6C 0x3E 0x0A 0x0A", "web page"),
        ("0x23 0x21 0x2F 0x62 0x69 0x6E 0x2F 0x73", "script"),
        ("0x50 0x4B 0x03 0x04 0x14 0x00 0x00 0x00", "packed"),
        ("0x21 0x3C 0x61 0x72 0x63 0x68 0x3E 0x0A", "static library"),
    ],
)
def test_the_first_bytes_tell_what_the_file_is(first: str, word: str) -> None:
    found = only(
        "dlopen(/w/tin.so, 9): no suitable image found.  Did find:\n"
        f"\t/w/tin.so: unknown file type, first eight bytes: {first}\n"
    )
    assert word in found.because[0]
    assert any("page that shows it" in step for step in found.remedy) == (word == "web page")


def test_an_older_library_of_macos_is_a_newer_sdk_and_both_versions_are_said() -> None:
    name = "/System/Library/Frameworks/Tin.framework/Versions/A/Tin"
    wants = "requires version 64.0.0 or later, but {} provides version 1.0.0"
    text = (
        "dyld: Library not loaded: {}\n  Referenced from: /w/pan\n  Reason: Incompatible library version: pan " + wants
    )
    system, own = only(text.format(name, "Tin")), only(text.format("@rpath/libtin.1.dylib", "libtin.1.dylib"))
    assert (system.cause, own.cause) == (Cause.NEWER_MACOS, Cause.OLD_LIBRARY)
    assert all("64.0.0" in a.because[0] and "1.0.0" in a.because[0] for a in (system, own))


def test_gnu_s_iconv_and_macos_s_are_not_one() -> None:
    found = only(
        "dyld: Symbol not found: _libiconv_open\n  Referenced from: /w/libtin.8.dylib\n"
        "  Expected in: /usr/lib/libiconv.2.dylib\n"
    )
    assert found.cause is Cause.ABI_MISMATCH


@pytest.mark.parametrize("name", ["libc.so.6", "libdl.so.2", "libpthread.so.0"])
def test_the_c_library_of_linux_is_no_part_of_macos(name: str) -> None:
    found = only(f"Invalid argument(s): Failed to load dynamic library (dlopen({name}, 1): image not found)")
    assert found.cause is Cause.OTHER_SYSTEM
    assert "part of macOS" not in "\n".join(found.remedy)


@pytest.mark.parametrize("asker", ["/usr/local/Cellar/pan/1.0/bin/pan", "/usr/local/bin/pan"])
def test_what_lies_in_the_same_prefix_does_not_look_in_another(asker: str) -> None:
    found = only(
        f"dyld: Library not loaded: /usr/local/opt/tin/lib/libtin.3.dylib\n  Referenced from: {asker}\n"
        "  Reason: image not found"
    )
    assert Cause.OTHER_PREFIX not in found.alternatives


MISSING = "dyld: Library not loaded: {}\n  Referenced from: {}\n  Reason: image not found"


@pytest.mark.parametrize(
    "asker",
    [
        "/Applications/Tin.app/Contents/MacOS/tin",
        "/Users/u/.julia/artifacts/53a1/lib/libtin.dylib",
        "/v/lib/python3.12/site-packages/tin/_t.so",
    ],
)
def test_what_is_finished_has_a_way_for_its_user_where_a_run_path_is_missing(asker: str) -> None:
    found = only(MISSING.format("@rpath/libpan.dylib", asker))
    if found.cause is Cause.RUN_PATH:
        assert any(step.startswith("as a user: ") for step in found.remedy)
        assert any(step.startswith("for the maker: link with") for step in found.remedy)


def test_who_builds_is_not_told_to_install_again() -> None:
    assert "as a user" not in helps(MISSING.format("@rpath/libpan.dylib", "/w/build/tin"))


@pytest.mark.parametrize(
    ("library", "asker", "step"),
    [
        ("/usr/local/Cellar/pan@5/5.7.1/lib/libpan.dylib", "/Applications/Tin.app/Contents/MacOS/tin", "another build"),
        ("/opt/pan1pan2/lib/libpan.7.dylib", "/v/lib/python3.12/site-packages/tin/_t.so", "take a newer release"),
        ("/home/u/w/libpan.7.dylib", "/v/tin", "take a newer release"),
        ("/usr/local/lib/libSDL2-2.0.0.dylib", "/Applications/Tin.app/Contents/MacOS/tin", "brew install sdl2"),
        ("/opt/local/lib/libpan.4.dylib", "/Users/u/Desktop/tin/lib/libtin.dylib", "sudo port install"),
    ],
)
def test_a_package_is_a_stop_gap_only_where_packages_install(library: str, asker: str, step: str) -> None:
    found = only(MISSING.format(library, asker))
    assert found.cause is Cause.BUILD_MACHINE_PATH
    (said,) = [each for each in found.remedy if each.startswith("as a user")]
    assert step in said


def test_a_file_a_program_unpacked_is_not_installed_and_not_looked_at_again() -> None:
    file = "/private/var/folders/ry/b/T/libtin18708461303295440.jnilib"
    found = only(
        f"java.lang.UnsatisfiedLinkError: {file}: dlopen({file}, 1): no suitable image found.  Did find:\n"
        f"\t{file}: mach-o, but wrong architecture\n"
    )
    assert not any("install lib" in step or "lipo" in step for step in found.remedy)


def test_a_module_of_node_is_built_for_what_loads_it() -> None:
    file = "/w/node_modules/tin/tin.node"
    found = only(f"dlopen({file}, 1): no suitable image found.  Did find:\n\t{file}: mach-o, but wrong architecture\n")
    assert any("NW.js" in step for step in found.remedy)


def test_an_arm64_homebrew_is_not_installed_again_for_an_intel_process() -> None:
    file = "/opt/homebrew/Cellar/tin/0.1/lib/libtin.dylib"
    found = only(
        f"dlopen(libtin.dylib, 1): no suitable image found.  Did find:\n\t{file}: mach-o, but wrong architecture\n"
    )
    assert not any("brew reinstall" in step for step in found.remedy)
    assert any("arch -x86_64 /usr/local/bin/brew install tin" in step for step in found.remedy)
    assert found.next == (f"machochain audit {file}",)


def test_one_file_signed_ad_hoc_is_no_cure_where_libraries_are_validated() -> None:
    file = "/w/Tin.app/Contents/Plugins/pan.bundle/Contents/MacOS/pan"
    found = only(
        f"dlopen({file}, 2): no suitable image found.  Did find:\n\t{file}: code signature in ({file}) not valid for"
        " use in process using Library Validation: mapped file has no Team ID and is not a platform binary"
    )
    assert not any(f"-s - {file}" in step for step in found.remedy)
    assert any(step.endswith("codesign -f --deep -s - /w/Tin.app") for step in found.remedy)


def test_nothing_on_a_disk_image_is_signed_and_nothing_in_the_store_of_nix_edited() -> None:
    image = only("/Volumes/My Tin/Tin.app: code has no resources but signature indicates they must be present")
    assert image.remedy[0].startswith("copy Tin.app to /Applications first")
    assert not any("/Volumes/" in step for step in image.remedy)
    broken = only("/Volumes/My Tin/Tin.app: code has no resources but\nsignature indicates they must be present")
    assert broken.remedy == image.remedy
    nix = only(MISSING.format("libpan.so", "/nix/store/d3kin0fzkxkpd9i1fk9j338hb51zcf5q-tin-2.4/bin/tin"))
    assert "derivation" in nix.remedy[0]
    assert "derivation" not in helps(MISSING.format("libpan.so", "/w/bin/tin"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tin: error while loading: libpan.so.1: cannot open shared object file: No such file or directory", ()),
        ("OSError: dlopen(libpan.dylib, 6): image not found", ()),
        ("error: 0 valid identities found", ()),
        ("ld: library not found for -lpan", ("machochain doctor",)),
        (
            MISSING.format("@rpath/libpan.dylib", "/Users/USER/*/Tin.app/Contents/MacOS/tin"),
            ("machochain audit /PATH/TO/tin",),
        ),
    ],
)
def test_what_to_run_next_can_be_run(text: str, expected: tuple[str, ...]) -> None:
    assert only(text).next == expected


def test_a_name_from_a_window_is_no_path_yet() -> None:
    found = only("\u201cMy Tin\u201d is damaged and can't be opened. You should move it to the Trash.")
    assert "xattr -dr com.apple.quarantine '/PATH/TO/My Tin'" in found.remedy


def test_what_the_kernel_did_not_take_is_looked_at_unless_it_is_known_to_be_packed() -> None:
    assert any(step.startswith("file ") for step in only("Namespace EXEC, Code 8\n").remedy)
    packed = helps("Namespace EXEC, Code 12, UPX compressed binaries are not supported\n")
    assert "upx -d" in packed
    assert "machochain inspect" not in packed


def test_an_option_lld_does_not_know_is_answered_once() -> None:
    found = only("ld64.lld: error: unknown argument '-platform_version'\n")
    assert found.cause is Cause.TOOL_MISMATCH


@pytest.mark.parametrize("library", ["rt", "nsl"])
def test_a_reason_keeps_the_small_letter_of_a_name(library: str) -> None:
    assert only(f"ld: library not found for -l{library}\n").because[0].startswith("macOS has no library")


def test_values_that_were_shortened_are_told_in_words_and_in_one_order() -> None:
    text = (
        "dyld[1]: Library not loaded: @rpath/.../libtin.dylib\n"
        f"  Referenced from: {A} /w/.../pan\n"
        "  Reason: tried: '/w/.../libtin.dylib' (no such file)"
    )
    told = [note for note in only(text).notes if note.startswith("shortened")]
    words = ("the load path", "the image that asks", "a path that was tried")
    assert told == [f"shortened by whoever pasted it: {each}" for each in words]
