"""Completion of the command line in bash, zsh and fish, written from the parsers."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from typing import Literal

from scope_widgets.cli.conventions.command_parser import CommandParser
from scope_widgets.cli.conventions.settings import options_of

Shell = Literal["bash", "zsh", "fish"]
Commands = Mapping[str, CommandParser]

_BASH = """\
# microscope: completion for bash; in ~/.bashrc: source <(microscope completion bash)
_microscope() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    if [[ $COMP_CWORD -eq 1 ]]; then
        words="{commands} --help --version"
    else
        case "${{COMP_WORDS[1]}} $before" in
{choices}
        esac
        if [[ -z $words && $current == -* ]]; then
            case "${{COMP_WORDS[1]}}" in
{options}
            esac
        fi
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _microscope microscope
"""

_ZSH = """\
#compdef microscope
# microscope: completion for zsh; in ~/.zshrc, after compinit: source <(microscope completion zsh)
_microscope() {{
    if (( CURRENT == 2 )); then
        local -a commands=(
{commands}
        )
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{options}
    esac
}}
if [[ $funcstack[1] == _microscope ]]; then _microscope "$@"; else compdef _microscope microscope; fi
"""


def script(shell: Shell, commands: Commands) -> str:
    """Return the script that completes the commands, their options, and the words that an option takes.

    Parameters
    ----------
    shell : "bash", "zsh" or "fish"
    commands : mapping of str to CommandParser
        The parsers of all commands by their names.
    """
    writers: dict[str, Callable[[Commands], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return writers[shell](commands)


def _bash(commands: Commands) -> str:
    choices = [
        f"            {shlex.quote(f'{name} --{option}')}) words={shlex.quote(' '.join(words))};;"
        for name, parser in commands.items()
        for option, action in options_of(parser).items()
        if (words := _words(action))
    ]
    options = [
        f"                {name}) words={shlex.quote(' '.join(f'--{one}' for one in [*options_of(parser), 'help']))};;"
        for name, parser in commands.items()
    ]
    positional = [
        f"            {name}\\ *) [[ $current == -* ]] || words={shlex.quote(' '.join(words))};;"
        for name, parser in commands.items()
        for action in parser._actions
        if not action.option_strings and (words := _words(action))
    ]
    return _BASH.format(
        commands=" ".join(commands), choices="\n".join([*choices, *positional]), options="\n".join(options)
    )


def _zsh(commands: Commands) -> str:
    listed = [f"            {shlex.quote(f'{name}:{parser.about}')}" for name, parser in commands.items()]
    cases = []
    for name, parser in commands.items():
        specs = [shlex.quote(f"--{option}{_zsh_of(action)}") for option, action in options_of(parser).items()]
        for action in parser._actions:
            if not action.option_strings:
                specs.append(shlex.quote(f"*:{action.dest}:{_zsh_values(action)}"))
        cases.append(f"        {name}) _arguments {' '.join([*specs, shlex.quote('--help[say what it takes]')])};;")
    return _ZSH.format(commands="\n".join(listed), options="\n".join(cases))


def _zsh_of(action: argparse.Action) -> str:
    said = _said(action).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    return f"[{said}]" + ("" if action.nargs == 0 else f":{action.dest}:{_zsh_values(action)}")


def _zsh_values(action: argparse.Action) -> str:
    return f"({' '.join(words)})" if (words := _words(action)) else "_files"


def _fish(commands: Commands) -> str:
    lines = ["# microscope: completion for fish; in ~/.config/fish/config.fish: microscope completion fish | source"]
    for name, parser in commands.items():
        said = _quoted(parser.about)
        lines.append(f"complete -c microscope -f -n __fish_use_subcommand -a {name} -d {said}")
    for name, parser in commands.items():
        of = f"complete -c microscope -n '__fish_seen_subcommand_from {name}'"
        for option, action in options_of(parser).items():
            words = _words(action)
            takes = "" if action.nargs == 0 else f" -x -a {_quoted(' '.join(words))}" if words else " -r"
            lines.append(f"{of} -l {option}{takes} -d {_quoted(_said(action))}")
        for action in parser._actions:
            if not action.option_strings and (words := _words(action)):
                lines.append(f"{of} -f -a {_quoted(' '.join(words))}")
    return "\n".join(lines) + "\n"


def _words(action: argparse.Action) -> list[str]:
    return [] if action.choices is None else [str(word) for word in action.choices]


def _said(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _quoted(text: str) -> str:
    """Return a text in single quotes, as fish reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
