"""Messages that look alike: each keeps its own cause, its own names and its own rivals."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer

U = "<AB0E5C11-2222-3A01-AC01-000000000001>"


def only(text: str) -> Answer:
    (found,) = diagnose(text).answers
    return found


def launch(library: str, asker: str, reason: str) -> Answer:
    return only(f"dyld[7]: Library not loaded: {library}\n  Referenced from: {U} {asker}\n  Reason: {reason}\n")


def test_the_command_of_a_shell_keeps_its_quotes() -> None:
    found = only('zsh: abort      tin get "Pan"\n')
    assert found.fact("command") == 'tin get "Pan"'


def test_dyld_without_its_cache_does_not_miss_a_file() -> None:
    found = launch(
        "/usr/lib/libSystem.B.dylib", "/w/tin", "tried: '/usr/lib/libSystem.B.dylib' (no such file, no dyld cache)"
    )
    assert (found.cause, found.alternatives) == (Cause.OS_DAMAGED, (Cause.TOO_LARGE,))
    assert "missing" not in found.headline


def test_a_file_for_which_there_is_no_memory_is_there() -> None:
    path = "/w/Tin.app/Contents/Frameworks/Pan.framework/Pan"
    found = launch(
        "@rpath/Pan.framework/Pan", "/w/Tin.app/Contents/MacOS/Tin", f"tried: '{path}' (open() failed with errno=12)"
    )
    assert found.cause is Cause.OUT_OF_MEMORY
    assert "missing" not in found.headline


def test_an_app_that_was_moved_is_told_where_it_was_built_for() -> None:
    built = "/Applications/Tin.app"
    found = launch(f"{built}/Contents/Frameworks/libpan.dylib", "/w/dist/Tin.app/Contents/MacOS/Tin", "image not found")
    assert (found.cause, found.alternatives) == (Cause.BUILD_MACHINE_PATH, (Cause.WRONG_LOAD_PATH,))
    assert any(built in step for step in found.remedy)


def test_what_dyld_says_of_a_broken_list_has_the_rivals_of_its_own_ground_alone() -> None:
    found = only("dlopen(/w/node_modules/tin/pan.node, 0x0001): tried: '/w/node_modules/tin/pan.node' (no such file)\n")
    assert Cause.RUN_PATH not in found.alternatives
    assert Cause.BUILD_MACHINE_PATH not in found.alternatives


@pytest.mark.parametrize("place", [".opam/4.14/bin", ".ghcup/bin", ".cabal/bin"])
def test_what_a_manager_of_versions_built_here_was_not_built_elsewhere(place: str) -> None:
    found = only(
        "dyld: Library not loaded: /opt/homebrew/opt/tin/lib/libtin.3.dylib\n"
        f"  Referenced from: /Users/u/{place}/pan\n  Reason: image not found\n"
    )
    assert found.cause is not Cause.BUILD_MACHINE_PATH


def test_marks_before_brackets_are_no_part_of_a_message() -> None:
    found = only(
        "dlopen\\(/w/pan.so, 6\\): Symbol not found: _tin\\_pan\n"
        "  Referenced from: /w/pan.so\n  Expected in: flat namespace\n"
    )
    assert found.evidence is not None
    assert found.evidence.symbol == "_tin_pan"


def test_net_s_own_name_of_a_library_is_what_is_missing() -> None:
    tried = "".join(
        f"dlopen(/w/{n}, 0x0001): tried: '/w/{n}' (no such file)\n"
        for n in ("libtin.dylib", "tin.dylib", "libtin", "tin")
    )
    found = diagnose(
        f"System.DllNotFoundException: Unable to load shared library 'tin' or one of its dependencies.\n{tried}"
    ).main
    assert found is not None
    assert found.headline.startswith("tin is not there")


def test_a_known_word_that_a_terminal_broke_is_whole() -> None:
    found = only(
        "dlopen(/w/pan.so, 0x0002): tried: '/w/pan.so' (mach-o file, but is an incompatible architectu\n"
        "re (have 'x86_64', need 'arm64e' or 'arm64'))\n"
    )
    assert found.cause is Cause.WRONG_ARCHITECTURE


def test_a_segment_that_is_not_the_last_was_refused_before_macos_26_too() -> None:
    found = only("dyld[7]: malformed mach-o image: segment __LINKEDIT must be last in /w/tin\n")
    assert found.evidence is not None
    assert found.evidence.macos is None


def test_symbols_of_openssl_in_a_module_of_node_are_node_s() -> None:
    found = only(
        "dlopen(/w/node_modules/tin/pan.node, 1): Symbol not found: _SSL_library_init\n"
        "  Referenced from: /w/node_modules/tin/pan.node\n  Expected in: flat namespace\n"
    )
    assert not any("-lcrypto" in step or "-lssl" in step for step in found.remedy)


def test_an_entry_without_a_name_is_no_library() -> None:
    found = only("dyld: could not load inserted library '' because image not found\n")
    assert "entry without a name" in found.headline


def test_the_limit_of_load_commands_is_an_older_dyld_s_own() -> None:
    found = only("dyld: malformed mach-o: load commands size (40000) > 32768\n")
    assert (found.cause, found.alternatives) == (Cause.TOO_LARGE, (Cause.MALFORMED,))
    assert found.evidence is not None
    assert found.evidence.macos_range is not None
    assert found.evidence.macos_range.low is None


def test_a_path_that_breaks_before_a_slash_is_one_path() -> None:
    found = only(
        "dlopen(/Users/u/Library/Application Support/Tin\n/Extensions/pan.scx, 0x0002): tried: '/Users/u/Library/"
        "Application Support/Tin\n/Extensions/pan.scx' (mach-o file, but is an incompatible architecture"
        " (have 'x86_64', \nneed 'arm64'))\n"
    )
    assert found.fact("lib") == "/Users/u/Library/Application Support/Tin/Extensions/pan.scx"
    assert not any("DYLD" in words for words in found.because)


def test_a_file_that_was_asked_for_by_its_whole_path_has_no_other_name() -> None:
    found = only("Failed to load NIF library: 'dlopen(/w/tin/priv/tin_drv.so, 2): image not found'\n")
    assert found.cause is Cause.OWN_NAME
    assert not any("full path" in step for step in found.remedy)


def test_gnu_s_libiconv_under_the_name_of_macos_s_shadows_it() -> None:
    frameworks = "/w/Tin.app/Contents/Frameworks"
    found = only(
        f"dlopen(/w/tin.so, 2): Symbol not found: _iconv_open\n  Referenced from: {frameworks}/libpan.dylib\n"
        f"  Expected in: {frameworks}/libiconv.2.dylib\n"
    )
    assert (found.cause, found.alternatives) == (Cause.SYSTEM_SHADOW, (Cause.ABI_MISMATCH,))
    assert not any("DYLD" in each.text for each in found.helps)


def test_names_of_gnu_s_library_of_c_plus_plus_are_of_another_compiler() -> None:
    found = only(
        "dlopen(/w/tin.so, 2): Symbol not found: __ZNSt7__cxx113tinEv\n  Referenced from: /w/tin.so\n"
        "  Expected in: flat namespace\n"
    )
    assert "GCC" in found.because[0]
    assert any("one compiler" in step for step in found.remedy)


def test_a_folder_below_usr_lib_is_not_macos_s() -> None:
    asker = "/w/tin.bundle"
    lines = f"dlopen({asker}, 9): Symbol not found: _tin\n  Referenced from: {asker}\n  Expected in: {{}}\n"
    assert only(lines.format("/usr/lib/pan/lib/libtin.1.dylib")).cause is Cause.ABI_MISMATCH
    assert only(lines.format("/usr/lib/system/libtin.dylib")).cause is Cause.NEWER_MACOS
    cut = only(lines.format("/usr/lib/pan/lib/na"))
    assert cut.evidence is not None
    assert cut.evidence.expected_in is None


def test_a_helper_of_gcc_s_runtime_is_no_function_of_a_newer_macos() -> None:
    found = only(
        "dlopen(/w/tin.so, 2): Symbol not found: ___addtf3\n  Referenced from: /w/tin.so\n"
        "  Expected in: /usr/lib/libSystem.B.dylib\n"
    )
    assert (found.cause, found.alternatives) == (Cause.COMPILER_RUNTIME, (Cause.ABI_MISMATCH,))


def test_a_file_that_was_found_and_a_text_that_breaks_off_leave_open_what_is_wrong() -> None:
    found = only("dlopen(/w/tin.so, 2): no suitable image found.  Did find:\n  /w/t...\n")
    assert (found.cause, found.alternatives) == (Cause.WRONG_ARCHITECTURE, (Cause.FOREIGN_FILE, Cause.MALFORMED))
    assert "could not be loaded" in found.headline
    assert "breaks off" in found.because[0]
    assert all(step.startswith("see what the file is") for step in found.remedy)


def test_places_in_a_log_of_mono_s_are_one_question_and_no_upgrade() -> None:
    folder = "/usr/local/Cellar/mono/6/lib/mono/gac/Tin"
    found = diagnose(
        "".join(
            f"Mono: DllImport error loading library '{folder}/{n}': 'dlopen({folder}/{n}, 9): image not found'.\n"
            for n in ("libtin.dylib", "libtin.dylib.so", "libtin.dylib.bundle")
        )
    )
    (answer,) = found.answers
    assert answer.cause is Cause.PROBE
    assert not any("brew" in step for step in answer.remedy)


@pytest.mark.parametrize("name", ["libc.dylib", "libdl.so", "libpthread.dylib"])
def test_a_part_of_libsystem_is_not_to_be_installed(name: str) -> None:
    found = only(f"java.lang.UnsatisfiedLinkError: dlopen({name}, 9): image not found\n")
    assert any("libSystem" in step for step in found.remedy)
    assert not any("install" in step for step in found.remedy)


def test_x11_was_a_part_of_macos_once() -> None:
    found = launch("/usr/X11/lib/libtin.1.dylib", "/usr/local/bin/pan", "image not found")
    assert (found.cause, found.alternatives[0]) == (Cause.SYSTEM_LIBRARY_GONE, Cause.UNDECLARED_DEPENDENCY)


def test_a_program_that_no_python_loads_lacks_python_s_library() -> None:
    found = only("dyld[7]: symbol not found in flat namespace '_PyExc_TypeError'\n")
    assert (found.cause, found.alternatives[0]) == (Cause.FLAT_SYMBOL, Cause.HOST_SYMBOLS)
    assert Cause.PLUGIN_ABI not in found.alternatives


@pytest.mark.parametrize(
    "path", ["/a/lib:/b/lib/libtin.dylib", "/Applications/Tin.app/bin/../@executable_path/../lib/libtin.so"]
)
def test_a_path_that_can_lead_nowhere_is_itself_wrong(path: str) -> None:
    assert launch(path, "/w/pan", "image not found").cause is Cause.WRONG_LOAD_PATH


def test_a_file_glib_added_an_ending_to_is_no_library_to_install() -> None:
    found = diagnose(
        "g_module_open() failed for /w/Tin.app/lib/loaders: dlopen( /w/Tin.app/lib/loaders.so, 0x000A): tried:"
        " ' /w/Tin.app/lib/loaders.so' (no such file)\n"
    ).main
    assert found is not None
    assert found.cause is Cause.OWN_NAME
    assert found.fact("lib") == "/w/Tin.app/lib/loaders.so"
    assert not any("package" in step for step in found.remedy)


def test_a_message_without_its_head_stands_behind_whole_ones() -> None:
    part = "  Referenced from: /w/tin.dylib\n  Reason: image not found\n"
    first = diagnose(part + f"dlopen(/w/pan.dylib, 10): Library not loaded: @rpath/libcan.dylib\n{part}").answers[0]
    assert first.fact("lib") == "@rpath/libcan.dylib"


def test_an_old_copy_of_a_library_macos_has_too_may_be_macos_s() -> None:
    found = launch(
        "@rpath/libiconv.2.dylib",
        "/w/libtin.dylib",
        "Incompatible library version: libtin.dylib requires"
        " version 9.0.0 or later, but libiconv.2.dylib provides version 7.0.0",
    )
    assert (found.cause, found.alternatives) == (Cause.OLD_LIBRARY, (Cause.SYSTEM_SHADOW,))
    assert not any(step.startswith("update") for step in found.remedy)


def test_what_dyld_of_macos_11_says_of_a_processor_is_of_macos_11() -> None:
    path = "/w/tin/pan.bundle"
    found = only(f"dlopen({path}, 0x0009): could not use '{path}' because it is not a compatible arch - {path}\n")
    assert found.evidence is not None
    assert found.evidence.macos_range is not None
    assert (str(found.evidence.macos_range.low), str(found.evidence.macos_range.high)) == ("10.15", "11.7")


@pytest.mark.parametrize(
    "words", ["library load disallowed by system policy", "Library load disallowed by System Policy"]
)
def test_the_system_s_policy_is_no_other_team(words: str) -> None:
    found = only(
        "dlopen(/w/tin.node, 1): no suitable image found.  Did find:\n  /w/tin.node: code signature in (/w/tin.node)"
        f" not valid for use in process using Library Validation: {words}\n"
    )
    assert found.cause is Cause.QUARANTINE


def test_words_behind_the_library_a_symbol_was_expected_in_are_no_part_of_it() -> None:
    found = only(
        "Dyld Error Message:\n  Symbol not found: _tin\n  Referenced from: /w/pan.mexmaci64\n"
        "  Expected in: /w/sys/libtin.3.dylib What version of the product are you using?\n"
    )
    assert found.fact("expected") == "/w/sys/libtin.3.dylib"


def test_a_module_of_perl_is_built_anew_by_cpan() -> None:
    found = launch(
        "/usr/local/opt/tin/lib/libtin.20.dylib",
        "/Library/Perl/5.18/darwin-2level/auto/Tin/Pan/Pan.bundle",
        "image not found",
    )
    assert found.cause is Cause.STALE_DEPENDENT
    assert any("cpan -f -i Tin::Pan" in step for step in found.remedy)


def test_a_device_with_ios_gets_no_newer_macos() -> None:
    app = "/private/var/containers/Bundle/Application/AB0E5C11/Tin.app"
    found = only(
        f"Termination Reason: DYLD 4 Symbol missing\nSymbol not found: _tin\nReferenced from: {app}/Frameworks/pan\n"
        "Expected in: /usr/lib/libobjc.A.dylib\n"
    )
    assert found.cause is Cause.NEWER_MACOS
    assert not any("macOS" in step for step in found.remedy)


def test_a_symbol_of_openmp_names_its_run_time() -> None:
    found = only("dlopen(/w/tin.so, 0x0006): symbol not found in flat namespace '___kmpc_barrier'\n")
    assert (found.cause, found.alternatives[0]) == (Cause.FLAT_SYMBOL, Cause.TOOLCHAIN_RUNTIME)


def test_a_program_that_upx_packed_is_to_be_unpacked() -> None:
    found = only("Termination Reason:    EXEC, [0xc] This UPX compressed binary contains an invalid Mach-O header\n")
    assert found.cause is Cause.MALFORMED
    assert any("upx -d" in each.text for each in found.helps)


@pytest.mark.parametrize(
    ("symbol", "asker", "step"),
    [
        ("__TMSi", "/usr/local/Cellar/tin/1/lib/Pan.framework/Versions/A/Pan", "newer release of the program"),
        ("_$s15PanTypes01PTl", "/w/tin", "update macOS"),
    ],
)
def test_swift_of_xcode_is_another_and_old_names_are_in_no_macos(symbol: str, asker: str, step: str) -> None:
    xcode = "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/swift/macosx"
    found = only(
        f"dyld: Symbol not found: {symbol}\n  Referenced from: {asker}\n  Expected in: {xcode}/libswiftCore.dylib\n"
    )
    assert found.cause is Cause.SWIFT_RUNTIME
    assert step in found.remedy[0]


def test_a_name_that_breaks_off_inside_a_framework_is_the_framework_s() -> None:
    framework = "/System/Library/Frameworks/Tin.framework"
    found = only(
        "dlopen(/w/pan.so, 2): Symbol not found: _tin\n  Referenced from: /w/pan.so\n"
        f"  Expected in: {framework}/Versions/A/Ti"
    )
    assert found.fact("expected") == framework
    assert found.cause is Cause.NEWER_MACOS


def test_the_cache_of_the_system_is_no_library() -> None:
    app = "/private/var/containers/Bundle/Application/Tin.app"
    found = only(
        f"Termination Description: DYLD, Symbol not found: _tin | Referenced from: {app}/Frameworks/Pan.framework/Pan"
        " | Expected in: dyld shared cache\n"
    )
    assert found.headline.startswith("The libraries of the system lack")
    assert found.cause is Cause.NEWER_MACOS


def test_a_trace_below_is_no_part_of_a_reason() -> None:
    found = only(
        "dlopen(/w/tin.so, 6): no suitable image found.  Did find:\n"
        "    /w/tin.so: malformed mach-o image: load command #24 length (0) too small in /w/tin.so\nstack traceback:\n"
        "    [C]: in function 'require'\n"
    )
    assert (
        found.attempts[0].tried.reason == "malformed mach-o image: load command #24 length (0) too small in /w/tin.so"
    )


def test_a_dependent_library_in_the_words_of_dyld3_is_of_macos_11() -> None:
    found = only(
        "LoadError: dlopen(/w/tin.bundle, 0x0009): dependent dylib '/usr/local/opt/pan/lib/libpan.6.dylib' not found"
        " for '/usr/local/Cellar/tin/7/lib/libtin.7.dylib' - /w/tin.bundle\n"
    )
    assert found.evidence is not None
    assert found.evidence.macos_range is not None
    assert str(found.evidence.macos_range.high) == "11.7"


def test_breaks_that_a_string_and_a_wrap_made_are_no_part_of_a_name() -> None:
    found = only(
        "dlopen(/w/tin.so, 10): \n   Symbol not found: _libiconv\\n  \n   Referenced from: /w/libpan.8.dylib\\n\n"
        "   Expected in: /usr/lib/libiconv.2.dylib\\n in /w/libpan.8.dylib\n"
    )
    assert found.evidence is not None
    assert (found.evidence.symbol, found.evidence.referenced_from) == ("_libiconv", "/w/libpan.8.dylib")
    assert (found.cause, found.alternatives[0]) == (Cause.ABI_MISMATCH, Cause.SYSTEM_SHADOW)


def test_links_that_a_viewer_of_logs_made_are_no_part_of_a_symbol() -> None:
    link = "https://github.com/tin/pan/runs/1?check_suite_focus=true#step:3:5"
    found = only(
        f"dyld: Symbol not found: __ZTTNSt[3]({link})__1[14]({link})tinE\n  Referenced from: /w/tin (which was built"
        " for Mac OS X 12.3)\n  Expected in: /usr/lib/libc++.1.dylib\n"
    )
    assert found.evidence is not None
    assert found.evidence.symbol == "__ZTTNSt3__114tinE"


def test_words_of_dyld_that_are_not_known_are_not_said_to_be_missing() -> None:
    found = only("dlopen(/w/tin.so, 2): bad local tin length in /w/libpan.7.dylib. pan record at 0x103c9b000: 0x00\n")
    assert found.cause is Cause.UNKNOWN
    assert "not known here" in found.because[0]


def test_the_simulator_s_root_is_no_variable_and_usr_lib_no_working_directory() -> None:
    root = "/Library/Developer/CoreSimulator/Profiles/Runtimes/iOS.simruntime/Contents/Resources/RuntimeRoot"
    found = only(
        f"Failed to load dynamic library '/tin/libpan.dylib': dlopen(/tin/libpan.dylib, 0x0001): tried:"
        f" '{root}/tin/libpan.dylib' (errno=2), '/tin/libpan.dylib' (errno=2)\n"
    )
    assert found.cause is Cause.OWN_NAME
    assert not any("DYLD" in words for words in found.because)
    name = "Tin.framework/Tin"
    bare = only(f"dlopen({name}, 0x0008): tried: '{name}' (no such file), '/usr/lib/{name}' (no such file)\n")
    assert not any("ran in" in words for words in bare.because)


def test_a_library_of_linux_is_not_to_be_installed() -> None:
    found = only("Failed to load dynamic library (dlopen(libc.so.6, 1): image not found)\n")
    assert found.cause is Cause.OTHER_SYSTEM
    assert not any("install" in step for step in found.remedy)


def test_an_older_library_of_macos_is_of_an_older_macos() -> None:
    tin = "/System/Library/Frameworks/Tin.framework/Versions/A/Tin"
    found = only(
        f"dyld: Library not loaded: {tin}\n  Referenced from: /w/pan\n  Reason: Incompatible library version: pan"
        " requires version 64.0.0 or later, but Tin provides version 1.0.0\n"
    )
    assert (found.cause, found.alternatives) == (Cause.NEWER_MACOS, (Cause.OLD_LIBRARY,))


def test_a_web_page_is_no_library() -> None:
    found = only(
        "dlopen(/w/tin.so, 9): no suitable image found.  Did find:\n"
        "  /w/tin.so: unknown file type, first eight bytes: 0x0A 0x0A 0x0A 0x3C 0x21 0x44 0x4F 0x43\n"
    )
    assert "web page" in found.because[0]


@pytest.mark.parametrize(
    ("folder", "step"),
    [
        (".asdf/installs/tin/22.1", "asdf install tin 22.1"),
        (".rbenv/versions/3.1", "rbenv install --force 3.1"),
        (".pyenv/versions/3.9", "pyenv install --force 3.9"),
        (".rvm/rubies/ruby-2.6", "rvm reinstall ruby-2.6"),
    ],
)
def test_what_a_manager_of_versions_built_it_builds_anew(folder: str, step: str) -> None:
    found = launch("/usr/local/opt/pan/lib/libpan.1.0.dylib", f"/Users/u/{folder}/lib/can.so", "image not found")
    assert any(step in each for each in found.remedy)


def test_a_part_of_net_is_no_package() -> None:
    found = only("dlopen(libSystem.Tin, 1): image not found\n")
    assert not any("package" in step for step in found.remedy)


def test_a_platform_with_a_dash_is_one() -> None:
    path = "/w/Tin.framework/Tin"
    found = launch(
        "@rpath/Tin.framework/Tin",
        "/w/pan",
        f"tried: '{path}' (mach-o file ({path}), but incompatible platform (have 'iOS-sim', need 'iOS'))",
    )
    assert found.fact("have") == ("iOS-sim",)
