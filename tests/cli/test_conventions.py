"""How every command is asked, what it prints where, and how it ends."""

import json
import os
import signal
import subprocess
import sys

import pytest

from scope_widgets import patching
from scope_widgets._partial_result import Interrupted
from scope_widgets._version import __version__
from scope_widgets.cli import main
from scope_widgets.cli.command_line import make_parser
from scope_widgets.cli.conventions.answer import Answer, printable
from tests.support.patching_examples import patching as patching_result
from tests.support.paths import ROOT

COMMANDS = make_parser()[1]
PROGRAM = (sys.executable, "-m", "scope_widgets.cli")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_help_imports_nothing_heavy():
    """It is as fast as Python and argparse: what takes long is imported by the command that needs it."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "scope_widgets.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "numpy", "pandas", "transformers", "tqdm", "inspect", "asyncio", "json"}
    for name in COMMANDS:
        assert f"    {name}" in done.stdout


def test_version(ask):
    assert ask("--version").out == f"microscope {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "COMMAND"),
        (("look",), "'look'"),
        (("heads",), "Give one prompt or more, or --repeated"),
        (("heads", "--rep"), "--rep"),
        (("heads", "--repeated", "--n", "0"), "--n is a whole number from 1; got '0'"),
        (("heads", "--repeated", "--layers", "3-1"), "--layers/--layer: layers are numbers and ranges"),
        (("trace",), "Give one prompt or more, or a file of texts"),
        (("trace", "a", "b", "--out", "x"), "--out keeps the trace of one prompt"),
        (("trace", "--texts", "texts.txt"), "say where the recording goes"),
        (("steer", "the horse"), "Give one of --positive, --direction, --sae"),
        (("steer", "the horse", "--positive", "a"), "give --negative texts too, and one layer"),
        (("steer", "the horse", "--sae", "demo"), "--sae and --latent go together"),
        (("features", "--latent", "1", "--token", "a"), "leave the conditions out"),
        (("eval", "--sae", "demo"), "--texts --recording/--activations is required"),
        (("patch", "--clean", "a", "--corrupted", "b", "--over", "soul"), "soul"),
        (("circuits", "--pairs", "1"), "--pairs is 2 or more"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_a_sentence(arguments, said, workplace, ask):
    done = ask(*arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert done.err.startswith("microscope")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("heads", "--repeated", "--model", "no/such-model"), "no/such-model"),
        (("trace", "--texts", "none.txt", "--out", "x"), "There is no file 'none.txt'"),
        (("eval", "--sae", "none", "--texts", "texts.txt"), "none"),
        (("eval", "--sae", "demo", "--texts", "texts.txt", "--layer", "1"), "is of layer 3, not of --layers 1"),
        (("ioi", "--compare", "bert"), "No published IOI circuit is known for 'bert'"),
        (("features", "--index", "none"), "none"),
        (("patch", "--clean", "a", "--corrupted", "b", "--resume", "none.json"), "none.json"),
        (("steer", "the horse", "--direction", "none.st"), "none.st"),
    ],
)
def test_what_fails_ends_with_1_and_a_sentence(arguments, said, workplace, ask):
    done = ask(*arguments)
    assert (done.status, done.out) == (1, "")
    assert said in done.err
    assert done.err.startswith("microscope: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if "--dry-run" in one._option_string_actions])
def test_a_dry_run_says_the_memory_and_does_nothing(name, workplace, ask, ask_json, monkeypatch):
    from scope_widgets import Microscope

    monkeypatch.setattr(Microscope, "load", lambda *_, **__: pytest.fail("a model was loaded"))
    needed = {"patch": ("--clean", "a", "--corrupted", "b"), "steer": ("the horse",)}
    needed |= dict.fromkeys(("train", "eval", "index"), ("--texts", "texts.txt"))
    needed |= dict.fromkeys(("eval", "index"), ("--texts", "texts.txt", "--sae", "demo"))
    before = set(workplace.iterdir())
    found = ask_json(name, *needed.get(name, ()), "--dry-run")
    assert found["needed"] > found["weights"] > 1e6
    assert found["fits"]
    assert set(workplace.iterdir()) == before


@pytest.mark.parametrize("arguments", [("heads", "--repeated", "--remote"), ("train", "--recording", "rec")])
def test_a_dry_run_is_of_a_model_that_is_loaded_here(arguments, workplace, ask):
    done = ask(*arguments, "--dry-run")
    assert (done.status, done.out) == (2, "")
    assert "it is not loaded here" in done.err


def test_letters_that_a_console_lacks_are_written_out(workplace):
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    (workplace / "\u00fc").mkdir()
    done = subprocess.run([*PROGRAM, "runs", "\u00fc"], capture_output=True, text=True, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("No run in or below \\xfc.\n", "")


def test_progress_and_warnings_are_for_a_terminal(workplace, ask, monkeypatch):
    """Off one, as here, stderr stays empty; on one there are bars, unless it is to be quiet."""
    given = ("trace", "--texts", "texts.txt", "--layers", "2", "--out")
    assert ask(*given, "one").err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert ask(*given, "two").err != ""
    assert ask(*given, "three", "--quiet").err == ""


def test_what_a_terminal_would_obey_is_written_out(ask):
    assert printable("a\x1b]0;owned\x07\u202eb\nc\td") == "a\\x1b]0;owned\\x07\\u202eb\nc\td"
    done = ask("trace", "a \x1b[2J dog")
    assert done.status == 0
    assert "\x1b" not in done.out


def test_an_object_has_neither_nan_nor_infinity():
    answer = Answer({"values": [float("nan"), float("inf"), 1.5]}, "")
    assert json.loads(answer.to_json("x"))["values"] == [None, None, 1.5]


def test_an_interrupt_keeps_what_is_done(demo, workplace, ask, monkeypatch):
    part = patching_result(2, 3, over="head")

    def stopped(*_, **__):
        raise Interrupted("Stopped after 3 of 6 cells.", part, "Elsewhere.")

    monkeypatch.setattr(patching, "activations", stopped)
    done = ask("patch", "--clean", "a dog", "--corrupted", "a cat", "--out", "out")
    assert (done.status, done.out) == (130, "")
    assert done.err == "microscope: Stopped after 3 of 6 cells. Written to out/interrupted.json.\n"
    kept = patching.PatchingResult.from_json((workplace / "out" / "interrupted.json").read_text())
    assert kept.values.shape == part.values.shape


def test_a_closed_pipe_is_no_error(workplace):
    """`microscope ... | head`: who reads has what it wanted."""
    with subprocess.Popen(
        [*PROGRAM, "completion", "fish", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


def test_ctrl_c_ends_a_process_with_130(workplace):
    """While a model is being loaded, say; what an analysis keeps of its work is said above."""
    waits = """if True:
        import signal, sys
        from scope_widgets.cli import main
        from scope_widgets.cli.conventions import options
        options.load_model = lambda _: (print("loading", flush=True), signal.pause())
        sys.exit(main(["heads", "--repeated"]))
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    with subprocess.Popen([sys.executable, "-c", waits], **pipes) as process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "microscope: interrupted\n")
    assert process.returncode == 130


def test_a_pipe_carries_one_object(workplace, demo):
    """`microscope trace ... --json | jq`: nothing but the object, and nothing on stderr."""
    done = subprocess.run([*PROGRAM, "trace", "the dog", "--json"], capture_output=True, check=True, env=ENVIRONMENT)
    assert done.stderr == b""
    assert json.loads(done.stdout)["prompts"][0]["tokens"] == demo.trace("the dog").tokens


def test_main_takes_the_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["microscope", "--version"])
    assert main() == 0
    assert __version__ in capsys.readouterr().out
