"""The scripts that shells complete by say what the parsers take."""

import shutil
import subprocess

import pytest

from scope_widgets.cli.command_line import make_parser
from scope_widgets.cli.conventions.settings import options_of
from scope_widgets.cli.conventions.shell_completion import script

COMMANDS = make_parser()[1]


def completed(*words):
    """Return what bash offers for a line whose last word is being typed."""
    typed = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _microscope; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    said = subprocess.run(
        ["bash", "-uc", f"{script('bash', COMMANDS)}\n{asked}"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["microscope", "he"], ["heads"]),
        (["microscope", "ev"], ["eval", "evals"]),
        (["microscope", "patch", "--dir"], ["--direction"]),
        (["microscope", "patch", "--direction", ""], ["denoising", "noising"]),
        (["microscope", "patch", "--over", "mlp"], ["mlp_out"]),
        (["microscope", "completion", ""], ["bash", "zsh", "fish"]),
        (["microscope", "runs", ""], []),
    ],
)
def test_bash_completes(words, offered):
    assert completed(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_option_of_every_command_is_there(shell):
    text = script(shell, COMMANDS)
    for name, parser in COMMANDS.items():
        assert name in text
        of_it = [line for line in text.splitlines() if name in line]
        for option in options_of(parser):
            word = f"-l {option} " if shell == "fish" else f"--{option}"
            assert any(word in line for line in of_it), (name, option)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_reads_it(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    subprocess.run([shell, "-n"], input=script(shell, COMMANDS), text=True, check=True)
