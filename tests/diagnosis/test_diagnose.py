"""What people really paste: messages in wrappers, cut, shortened, prefixed, several at once. All names are invented."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer

UUID = "D62710E5-38A2-394B-B5F9-7FC1C47FC916"
K = "/System/Volumes/Preboot/Cryptexes/OS"


def only(text: str) -> Answer:
    """Return the one answer of a text."""
    (answer,) = diagnose(text).answers
    return answer


def spoken(answer: Answer) -> str:
    """Return every word of an answer a reader sees."""
    return "\n".join(
        (
            answer.headline,
            *answer.because,
            *answer.remedy,
            *answer.process.notes,
            *(a.why for a in answer.attempts),
            *(h.text for h in answer.helps),
        )
    )


# --- nothing is invented ----------------------------------------------------------------------------------------------


def test_a_prefix_of_each_line_is_no_part_of_a_path_and_no_variable() -> None:
    answer = only(
        'job7 err Exception in thread "main" java.lang.UnsatisfiedLinkError: /w/libtin.dylib: '
        "dlopen(/w/libtin.dylib, 1): no suitable image found. Did find:\n"
        "job7 err /w/libtin.dylib: mach-o, but wrong architecture\n"
        "job7 err at java.base/jdk.internal.loader.NativeLibraries.load(Native Method)\n"
    )
    assert answer.cause is Cause.WRONG_ARCHITECTURE
    assert [t.path for t in answer.evidence.attempts] == ["/w/libtin.dylib"]
    assert answer.fact("prefix") == "job7 err "
    assert "DYLD_LIBRARY_PATH" not in spoken(answer)


@pytest.mark.parametrize("dots", ["...", "....", "…", "<snip>", "/Users/.../x"])
def test_a_shortened_path_is_no_folder_of_a_variable(dots: str) -> None:
    answer = only(
        f"dyld[3]: terminating because inserted dylib 'libtin.dylib' could not be loaded:\n"
        f"  tried: '{dots}/libtin.dylib' "
        "(fat file, but missing compatible architecture (have 'x86_64,arm64', need 'arm64e'))\n"
    )
    assert answer.cause is Cause.INSERTED
    assert answer.process.library_path == ()
    assert "DYLD_LIBRARY_PATH" not in spoken(answer)
    assert "attempt" in answer.fact("elided")  # type: ignore[operator]


def test_an_unquoted_attempt_with_dots_is_one_attempt_and_no_variable() -> None:
    answer = only(
        "$ ./tin\ndyld: Library not loaded: @rpath/libtin.dylib\n  Referenced from: .../tin\n"
        "  Reason: tried: .../lib/libtin.dylib (no such file)\n"
    )
    assert [t.path for t in answer.evidence.attempts] == [".../lib/libtin.dylib"]
    assert {answer.cause, *answer.alternatives} >= {Cause.RUN_PATH, Cause.NOT_PACKAGED}
    assert answer.process.run_paths == ()
    assert "DYLD_LIBRARY_PATH" not in spoken(answer)


def test_the_real_path_below_private_is_a_second_attempt_and_no_fallback_variable() -> None:
    path = "/var/folders/x/T/_MEI1/libtin.dylib"
    why = "code signature in <x> '/private/x' not valid for use in process: mapped file has no Team ID"
    answer = only(f"dlopen({path}, 0x000A): tried: '{path}' ({why}), '/private{path}' ({why})")
    assert answer.cause is Cause.LIBRARY_VALIDATION
    assert answer.process.fallback_path == ()
    assert answer.process.real_path == "/private" + path
    assert "FALLBACK" not in spoken(answer)


def test_paths_the_crash_reporter_removed_are_no_empty_variable() -> None:
    answer = only(
        "Process:               tin [8]\nOS Version:            macOS 12.7.1 (21G920)\n\n"
        "**Termination Reason:    Namespace DYLD, Code 1 Library missing\nLibrary not loaded: '@rpath/libtin.dylib'\n"
        "Referenced from: '/Volumes/VOLUME/*/Tin.app/Contents/MacOS/tin'\n"
        "Reason: tried: '' (no such file), '' (no such f\n"
    )
    assert answer.fact("attempts_removed") is True
    assert answer.fact("cut") is True
    assert answer.process.library_path == ()
    assert "empty entry" not in spoken(answer)


def test_missing_compatible_arch_is_macos_11_although_the_mode_is_hexadecimal() -> None:
    answer = only("LoadError (dlopen(/a/x.bundle, 0x0009): missing compatible arch in /a/x.bundle - /a/x.bundle)")
    assert answer.cause is Cause.WRONG_ARCHITECTURE
    assert answer.form == "dyld.tried.arch11"
    span = answer.evidence.macos_range
    assert span is not None
    assert (str(span.low), str(span.high)) == ("11.0", "11.7")


def test_what_dyld4_says_behind_a_path_only_is_of_macos_11_by_itself() -> None:
    words = "could not use '/a/x.bundle' because it is not a compatible arch"
    span = only(f"dlopen(/a/x.bundle, 0x0009): {words} - /a/x.bundle").evidence.macos_range
    assert span is not None
    assert (str(span.low), str(span.high)) == ("10.15", "11.7")


def test_the_builder_of_closures_is_dyld3_although_the_mode_is_hexadecimal() -> None:
    span = only("dlopen(/w/x.bundle, 0x0009): dependent dylib '/w/libtin.6.dylib' not found for '/w/libpan.dylib'")
    assert str(span.evidence.macos_range and span.evidence.macos_range.high) == "11.7"


def test_a_fault_that_dyld_finds_in_a_library_is_that_library_s() -> None:
    answer = only(
        "dlopen(/w/pan.so, 2): bad external relocation length in /w/lib/libtin.dylib. reloc record at 0x1: 0x00"
    )
    assert answer.fact("lib") == "/w/lib/libtin.dylib"
    assert answer.headline == "libtin.dylib is there, but dyld does not accept the file."


def test_no_attempt_is_made_a_variable_or_a_working_directory() -> None:
    root = "/R/iOS.simruntime/Contents/Resources/RuntimeRoot"
    answer = only(
        f"dlopen(/n/libtin.dylib, 0x0001): tried: '{root}/n/libtin.dylib' (errno=2), '/n/libtin.dylib' (errno=2)"
    )
    assert "DYLD_LIBRARY_PATH (" not in spoken(answer)
    name, cryptex = "Tin.framework/Tin", "/System/Volumes/Preboot/Cryptexes/OS"
    paths = [name, cryptex + name, f"/usr/lib/{name}", name]
    tried = ", ".join(f"'{p}' (no such file)" for p in paths)
    answer = only(f"dlopen({name}, 0x0008): tried: {tried}")
    assert answer.process.cwd is None
    assert answer.attempts[2].why == "the default fallback folder /usr/lib"


def test_a_link_of_the_opened_file_leads_to_another_name() -> None:
    real = "/opt/F/Tin.framework/Versions/3/Tin"
    tried = ", ".join(
        f"'{p}' (no such file)" for p in ("/opt/F/lib/libtin.dylib", real, f"/Library/Frameworks{real[6:]}")
    )
    answer = only(f"dlopen(/opt/F/lib/libtin.dylib, 0x000A): tried: {tried}")
    assert [a.why for a in answer.attempts[1:]] == [
        "the same path with its symbolic links resolved",
        "the default fallback folder /Library/Frameworks",
    ]


@pytest.mark.parametrize("script", ["./run.sh", "/Applications/A B/C D"])
def test_the_script_that_started_a_program_is_no_part_of_its_name(script: str) -> None:
    (answer,) = diagnose(f"{script}: line 22: /w/A B/.tin: Bad CPU type in executable").answers
    assert answer.fact("file") == "/w/A B/.tin"
    (answer,) = diagnose(f"{script}: line 22: ./tin: cannot execute binary file").answers
    assert answer.fact("file") == "./tin"


def test_a_written_break_and_a_link_of_a_log_are_no_part_of_a_symbol() -> None:
    text = "Symbol not found: _libtin\\n\n Referenced from: /w/libpan.dylib\\n\n Expected in: /w/libtin.dylib\\n\n"
    answer = only(f"dlopen(/w/p.so, 10): {text}")
    assert (answer.fact("sym"), answer.fact("asker")) == ("_libtin", "/w/libpan.dylib")
    link = "(https://example.com/runs/6?focus=true#step:3:3)"
    text = f"dyld: Symbol not found: __ZNSt[3]{link}__14[7]{link}tin\n  Referenced from: /w/p\n  Expected in: /w/libt.dylib\n"
    assert only(text).fact("sym") == "__ZNSt3__147tin"


def test_a_module_s_symbol_may_be_its_host_s() -> None:
    answer = only("dlopen(/w/tin.so, 0x0002): symbol not found in flat namespace '_pan_id'")
    assert {c.value for c in answer.alternatives} >= {"plugin-abi", "host-symbols"}


def test_stars_of_the_crash_reporter_were_not_put_in_by_who_pasted() -> None:
    notes = only(
        "Dyld Error Message:\n  Library not loaded: @rpath/T\n  Referenced from: /Users/USER/*/P\n  Reason: image not found\n"
    ).notes
    assert not any("whoever pasted" in note for note in notes)


def test_a_report_that_ends_before_dyld_s_message_names_no_crash() -> None:
    answer = only("Termination Reason:    DYLD, [0x1] Library missing")
    assert (answer.cause, answer.form) == (Cause.UNKNOWN, "crash.dyld")
    assert answer.headline == "dyld ended the process (DYLD 1 Library missing)."


def test_a_bare_name_given_to_dlopen_is_looked_for_along_run_paths_and_not_in_a_working_directory() -> None:
    leaf = "libtin.dylib"
    tried = ", ".join(
        f"'{p}' (no such file)"
        for p in (leaf, K + leaf, "/app/lib/" + leaf, "/usr/lib/" + leaf, leaf, "/usr/local/lib/" + leaf)
    )
    answer = only(f"OSError: dlopen({leaf}, 0x0006): tried: {tried}, '/usr/lib/{leaf}' (no such file)")
    assert answer.process.run_paths == ("/app/lib",)
    assert answer.process.cwd is None


def test_a_file_for_apple_silicon_in_an_intel_process_is_not_answered_with_arch_x86_64() -> None:
    answer = only(
        "ImportError: dlopen(/s/x.so, 0x0002): tried: '/s/x.so' "
        "(mach-o file, but is an incompatible architecture (have 'arm64', need 'x86_64'))"
    )
    assert answer.cause is Cause.PROCESS_ARCHITECTURE
    assert (answer.fact("have"), answer.fact("need")) == (("arm64",), ("x86_64",))
    assert "arch -x86_64" not in spoken(answer)


def test_releases_that_contradict_each_other_are_no_range_backwards() -> None:
    answer = only("macOS 26.5: \n$ tin\ndyld: missing LC_UUID load command in /opt/tin/tin\nAbort trap: 6\n")
    span = answer.evidence.macos_range
    assert span is None or span.low is None or span.high is None or span.low <= span.high
    assert "26 to 11" not in spoken(answer)


def test_the_name_of_a_framework_is_inside_the_quotes() -> None:
    answer = only(
        "warning(link): framework not found for '-framework Security'\nwarning(link): Framework search paths:\n"
    )
    assert answer.fact("name") == "Security"
    assert answer.cause is Cause.SDK_MISSING


def test_a_prompt_line_above_a_message_is_not_glued_to_it() -> None:
    answer = only(
        'julia> dlopen(libtin)\nERROR: could not load library "@rpath/libtin.1.dylib"\n'
        "dlopen(@rpath/libtin.1.dylib, 1): image not found\nStacktrace:\n"
    )
    assert answer.fact("loader") == "@rpath/libtin.1.dylib"
    assert answer.cause is Cause.OWN_NAME


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        (1, "Taskgated Invalid Signature", Cause.ENTITLEMENT),
        (2, "Invalid Page", Cause.SIGNATURE_BROKEN),
        (4, "Launch Constraint Violation", Cause.LAUNCH_CONSTRAINT),
    ],
)
def test_the_codes_of_code_signing_are_three_causes(code: int, words: str, cause: Cause) -> None:
    answer = only(f"Termination Reason:    Namespace CODESIGNING, Code {code} {words}\n")
    assert answer.cause is cause


@pytest.mark.parametrize(
    ("region", "cause"),
    [
        ("mapped file", Cause.SIGNATURE_BROKEN),
        ("MALLOC_TINY", Cause.JIT_MEMORY),
        ("JS JIT generated code", Cause.JIT_MEMORY),
    ],
)
def test_an_invalid_page_is_a_changed_file_or_generated_code_by_its_region(region: str, cause: Cause) -> None:
    answer = only(
        "Exception Type:        EXC_BAD_ACCESS (SIGKILL (Code Signature Invalid))\n"
        "Termination Reason:    Namespace CODESIGNING, Code 2 Invalid Page\n\n"
        "      REGION TYPE                    START - END         [ VSIZE] PRT/MAX SHRMOD  REGION DETAIL\n"
        f"--->  {region}                 2058c4000-205900000    [  240K] r--/rwx SM=COW\n"
    )
    assert answer.cause is cause


def test_a_stale_go_run_is_built_anew_and_not_edited() -> None:
    cached = f"/Users/me/Library/Caches/go-build/ab/{'0f' * 32}-d/tin"
    answer = only(
        f"dyld[9]: Library not loaded: @rpath/libtin.dylib\n  Referenced from: <{UUID}> {cached}\n"
        "  Reason: tried: '/a/libtin.dylib' (no such file)\n"
    )
    assert not [step for step in answer.remedy if step.startswith("install_name_tool")]
    assert any("go run -a" in step for step in answer.remedy)


def test_a_library_of_the_sdk_is_not_to_be_installed() -> None:
    answer = only("ld: library 'resolv' not found\nclang: error: linker command failed with exit code 1\n")
    assert answer.cause is Cause.SDK_MISSING
    assert "brew install" not in spoken(answer)


# --- wrappers, escapes, wrapped lines ---------------------------------------------------------------------------------

MISSING = "Library not loaded: @rpath/libtin.dylib\n  Referenced from: /a/x.so\n  Reason: image not found"
WRAPPED = {
    "python": f"ImportError: dlopen(/a/x.so, 2): {MISSING}\n",
    "ruby": f"/g/r.rb:9:in `require': dlopen(/a/x.so, 9): {MISSING} - /a/x.so (LoadError)\n\tfrom /g/r.rb:9\n",
    "ruby early": f"r.rb:9:in `require': dlopen(/a/x.so, 9): {MISSING.replace('dylib', 'dylib (LoadError)', 1)} - /a/x.so\n",
    "php": "PHP Warning:  PHP Startup: Unable to load dynamic library '/a/x.so' - dlopen(/a/x.so, 9): "
    + MISSING.replace("\n", "\\n")
    + " in Unknown on line 0\n",
    "php 7.2": "Warning: PHP Startup: Unable to load dynamic library 'x.so' (tried: /a/x.so (dlopen(/a/x.so, 9): "
    f"{MISSING}), /a/x.so.so (dlopen(/a/x.so.so, 9): image not found)) in Unknown on line 0\n",
    "erlang": "{error,{load_failed,\"Failed to load NIF library: 'dlopen(/a/x.so, 2): "
    + MISSING.replace("\n", "\\n")
    + "'\"}}\n",
    "elixir": "{:error, {:load_failed, 'Failed to load NIF library: \\'dlopen(/a/x.so, 2): "
    + MISSING.replace("\n", "\\n")
    + "\\''}}\n",
    "rust": 'called `Result::unwrap()` on an `Err` value: DlOpen { desc: "dlopen(/a/x.so, 5): '
    + MISSING.replace("\n", "\\n")
    + '" }\n',
    "jvm": f"java.lang.UnsatisfiedLinkError: /a/x.so: dlopen(/a/x.so, 1): {MISSING}\n\tat java.lang.System.load(System.java:1)\n",
    "dart": f"Invalid argument(s): Failed to load dynamic library (dlopen(/a/x.so, 1): {MISSING})\n",
    "qt": f"Cannot load library /a/x.so: (dlopen(/a/x.so, 133): {MISSING})\n",
    "perl": f"Can't load '/a/x.so' for module Tin: dlopen(/a/x.so, 1): {MISSING} at /p/DynaLoader.pm line 193.\n",
    "lua": f"error loading module 'tin' from file '/a/x.so':\n\tdlopen(/a/x.so, 6): {MISSING}\n",
    "postgres": f'ERROR:  could not load library "/a/x.so": dlopen(/a/x.so, 10): {MISSING}\nSTATEMENT:  LOAD\n',
    "r": f"Error in dyn.load(file, DLLpath = DLLpath, ...) : \n  unable to load shared object '/a/x.so':\n  dlopen(/a/x.so, 6): {MISSING}\n",
    "julia": f'ERROR: could not load library "/a/x.so"\ndlopen(/a/x.so, 1): {MISSING}\nwhile loading a.jl\n',
    "dotnet": "System.DllNotFoundException: Unable to load shared library 'x' or one of its dependencies. In order to help "
    f"diagnose loading problems, consider setting the DYLD_PRINT_LIBRARIES environment variable: dlopen(/a/x.so, 1): {MISSING}\n",
    "node": f"Error: dlopen(/a/x.so, 1): {MISSING}\n    at Object.Module._extensions..node (node:internal) {{\n  code: 'ERR_DLOPEN_FAILED'\n}}\n",
    "quoted mail": "".join(f"> {line}\n" for line in f"dlopen(/a/x.so, 2): {MISSING}".split("\n")),
    "compose": "".join(f"web-1  | {line}\n" for line in f"ImportError: dlopen(/a/x.so, 2): {MISSING}".split("\n")),
    "actions": "".join(f"2024-01-01T00:00:00.0000000Z {line}\n" for line in f"OSError: dlopen(/a/x.so, 2): {MISSING}".split("\n")),
    "docker build": "".join(f"#12 3.451 {line}\n" for line in f"OSError: dlopen(/a/x.so, 2): {MISSING}".split("\n")),
    "json log": '{"level":"fatal","msg":"dlopen(/a/x.so, 2): ' + MISSING.replace("\n", "\\n") + '"}\n',
    "markdown": f"```\ndlopen(/a/x.so, 2): {MISSING}\n```\n",
    "backticks": f"`dlopen(/a/x.so, 2): {MISSING}`\n",
    "pyinstaller": f"[301] Error loading Python lib '/a/x.so': dlopen: dlopen(/a/x.so, 10): {MISSING}\n",
    "indented": "".join(f"      {line}\n" for line in f"dlopen(/a/x.so, 2): {MISSING}".split("\n")),
    "windows ends": f"dlopen(/a/x.so, 2): {MISSING}\n".replace("\n", "\r\n"),
    "coloured": f"\x1b[31mdlopen(/a/x.so, 2): {MISSING}\x1b[0m\n",
}  # fmt: skip


@pytest.mark.parametrize("runtime", WRAPPED)
def test_what_a_runtime_puts_around_a_message_is_taken_off(runtime: str) -> None:
    answer = only(WRAPPED[runtime])
    assert answer.evidence.library == "@rpath/libtin.dylib"
    assert answer.evidence.referenced_from == "/a/x.so"
    assert answer.evidence.reason == "image not found"
    assert answer.cause in {Cause.RUN_PATH, Cause.NOT_PACKAGED}


def test_an_asker_that_was_cut_off_is_the_file_that_was_opened() -> None:
    answer = only(
        "  dlopen(/p/libs/tin.so, 6): Library not loaded: /Library/Frameworks/R.framework/Versions/4.0/R/lib/libR.dylib"
    )
    assert answer.fact("asker") == "/p/libs/tin.so"
    assert answer.fact("lib") == "/Library/Frameworks/R.framework/Versions/4.0/R/lib/libR.dylib"
    assert answer.cause is Cause.STALE_DEPENDENT


def test_keys_of_a_crash_report_without_its_braces_are_read() -> None:
    answer = only(
        '  "sip" : "enabled",\n  "termination" : {"code":1,"flags":518,"namespace":"DYLD","indicator":"Library missing",'
        '"details":["(terminated at launch; ignore backtrace)"],"reasons":["Library not loaded: \'@rpath\\/Tin\'",'
        "\"Referenced from: '\\/Applications\\/My Tin.app\\/Contents\\/MacOS\\/Tin'\",\"Reason: tried: '' (no such file)\"]},\n"
        '  "faultingThread" : 0,\n'
    )
    assert answer.evidence.library == "@rpath/Tin"
    assert answer.evidence.referenced_from == "/Applications/My Tin.app/Contents/MacOS/Tin"


# --- several messages, and messages that only follow ------------------------------------------------------------------


def test_two_programs_that_fail_for_two_reasons_are_two_answers() -> None:
    found = diagnose(
        "dyld[1]: Library not loaded: @rpath/liba.dylib\n  Referenced from: /a\n  Reason: tried: '/x/liba.dylib' (no such file)\n"
        "dyld[2]: Library not loaded: libb.dylib\n  Referenced from: /b\n  Reason: tried: 'libb.dylib' (no such file)\n"
    )
    assert [a.cause for a in found.answers] == [Cause.RUN_PATH, Cause.RELATIVE_PATH]


def test_warnings_stand_back_behind_the_error_and_speak_alone() -> None:
    warning = "ld: warning: object file (/d/x.o) was built for newer 'macOS' version (14.5) than being linked (11.0)\n"
    error = "ld: Assertion failed: (a <= b), function write, file Layout.cpp, line 5690.\n"
    assert only(warning + error).cause is Cause.LINKER_BUG
    assert only(warning).cause is Cause.DEPLOYMENT_TARGET
    assert only(warning).fact("errors") == 0


def test_symbols_that_are_missing_because_a_file_was_passed_over_are_no_cause() -> None:
    answer = only(
        "ld: warning: ignoring file /t/go.o, building for macOS-x86_64 but attempting to link with file built for unknown-arm64\n"
        'Undefined symbols for architecture x86_64:\n  "__cgo_topofstack", referenced from:\n'
    )
    assert answer.cause is Cause.COMPILER_ARCH
    assert "-lNAME" not in spoken(answer)


def test_a_remark_is_no_error_and_the_line_below_it_is() -> None:
    answer = only(
        "Error: Command failed: codesign --sign - /d/Tin.framework\n/d/Tin.framework: replacing existing signature\n"
        "/d/Tin.framework: unsealed contents present in the root directory of an embedded framework\n"
    )
    assert answer.form == "cs.unsealed-root"
    assert answer.cause is Cause.BUNDLE_LAYOUT


def test_the_kernels_log_decides_over_the_shells_word() -> None:
    answer = only(
        "[1]    7411 killed     tin\n"
        "default\t10:20:30.1+0100\tkernel\tCODE SIGNING: cs_invalid_page(0x104d40000): p=5150[tin] final status 0x23020200, denying page sending SIGKILL\n"
        'default\t10:20:30.2+0100\tkernel\tCODE SIGNING: process 5150[tin]: rejecting invalid page at address 0x104d40000 from offset 0x4000 in file "/u/tin" '
        "(cs_mtime:17.9 != mtime:18.2) (signed:1 validated:1 tainted:1 nx:0 wpmapped:0 dirty:0 depth:0)\n"
    )
    assert answer.cause is Cause.OVERWRITTEN
    assert answer.fact("file") == "/u/tin"
    assert answer.fact("pid") == 5150


def test_vendored_packages_lose_their_headers_and_frameworks_headers_are_the_sdks() -> None:
    vendored = "vendor/example.org/t/tin.go:6:10: fatal error: 'tin.h' file not found\n"
    framework = "vendor/example.org/t/tin.go:9:10: fatal error: 'CoreServices/CoreServices.h' file not found\n"
    assert only(vendored).cause is Cause.VENDOR_DROPPED
    assert only(framework).cause is Cause.SDK_MISSING


def test_a_relative_folder_of_the_linker_is_seen_in_the_cgo_line() -> None:
    answer = only("# example.org/t\nld: library not found for -ltin\n#cgo LDFLAGS: -L . -ltin\n")
    assert answer.cause is Cause.RELATIVE_FLAG
    assert any("${SRCDIR}" in h.text for h in answer.helps)


def test_the_sentence_behind_a_flag_is_no_part_of_it() -> None:
    answer = only("example.org/t: invalid flag in #cgo LDFLAGS: -Wl,-rpath,@exe (see https://go.dev/s/invalidflag)")
    assert answer.fact("flag") == "-Wl,-rpath,@exe"
    assert answer.fact("pkg") == "example.org/t"


# --- the answer -------------------------------------------------------------------------------------------------------


def test_an_answer_has_commands_with_the_facts_threads_and_the_next_step() -> None:
    answer = only("zsh: ./tin: Bad CPU type in executable\n")
    assert (answer.cause, answer.alternatives) == (Cause.ROSETTA_MISSING, (Cause.WRONG_ARCHITECTURE,))
    assert any(h.command and "softwareupdate --install-rosetta" in h.text for h in answer.helps)
    assert any(h.text.startswith("file ./tin") for h in answer.helps)
    assert answer.urls
    assert all(url.startswith("https://") for url in answer.urls)
    assert answer.next == ("machochain audit ./tin",)
    assert "chmod +x" in answer.avoid


def test_a_text_nobody_knows_gets_no_fact_and_the_nearest_form() -> None:
    found = diagnose("error: the library could not be found by the frobnicator\n")
    assert found.answers == ()
    assert found.unread is not None
    assert found.unread.lines
    near = diagnose("ld: library not found for tin\n").unread
    assert near is not None
    assert near.nearest == "ld.lib"


def test_a_text_of_another_system_is_called_so() -> None:
    found = diagnose("./tin: error while loading shared libraries: libtin.so: cannot open shared object file\n").unread
    assert found is not None
    assert found.other_system


@pytest.mark.parametrize(
    "text",
    [
        "The word dyld in a sentence, Library not loaded: or so.",
        "ld: everything fine",
        "we can't open the door because it is damaged",
        "the test was killed",
        "Reason: tried: nothing",
        "",
        "\n\n\n",
    ],
)
def test_prose_is_no_message(text: str) -> None:
    assert [a for a in diagnose(text).answers if a.is_failure] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("zsh: killed     ./server --port 80", "machochain audit ./server"),
        ("zsh: killed     server --port 80", "machochain audit FILE"),
    ],
)
def test_the_program_that_a_shell_names_is_what_is_looked_at_next(line: str, expected: str) -> None:
    (answer,) = diagnose(line).answers
    assert answer.next == (expected,)


def test_a_part_that_an_npm_package_lacks_comes_from_npm() -> None:
    (answer,) = diagnose(
        "Library not loaded: @rpath/libtin.42.dylib\n"
        "  Referenced from: <A5D2B1E3-6C1B-3B38-8C6E-8B2A8C7E9A55> /w/node_modules/@can/tin/lib/tin.node\n"
        "  Reason: tried: '/w/node_modules/@can/tin/lib/../../tin-libs/lib/libtin.42.dylib' (no such file)"
    ).answers
    assert answer.cause is Cause.NOT_PACKAGED
    assert answer.remedy[0].startswith("npm install --include=optional @can/tin ")
    assert not any("delocate" in step for step in answer.remedy)


def test_what_homebrew_installed_long_ago_is_installed_anew_before_a_formula_that_may_be_gone() -> None:
    (answer,) = diagnose(
        "dyld[4711]: Library not loaded: /opt/homebrew/opt/tin@1/lib/libtin.1.dylib\n"
        "  Referenced from: <8E0B8A0F-5B1D-3E0B-8B8F-0C0C0A0B0A0C> /opt/homebrew/Cellar/can/8.0/bin/can\n"
        "  Reason: tried: '/opt/homebrew/opt/tin@1/lib/libtin.1.dylib' (no such file)"
    ).answers
    assert answer.remedy[0].startswith("brew update && brew reinstall can ")
    assert answer.remedy[1] == "or, as long as Homebrew has it: brew install tin@1"
