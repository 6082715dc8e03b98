"""Options from the environment and from a file: flags come first, then MICROSCOPE_*, then the file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scope_widgets.cli.conventions.command_parser import CommandParser

PREFIX = "MICROSCOPE_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def take_settings(
    name: str,
    commands: Mapping[str, CommandParser],
    given: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Make what the environment and a file say the defaults of a command's options.

    Parameters
    ----------
    name : str
        The command that is run.
    commands : mapping of str to CommandParser
        All of them: a file may have options and tables of others.
    given : sequence of str
        The arguments behind its name. What they set, and what excludes it, is left as it is.
    environment : mapping, optional
        That of the process by default.
    """
    command, environment = commands[name], os.environ if environment is None else environment
    settings = {**_of_file(name, commands, _config(given, environment)), **_of_environment(command, environment)}
    named = {word.partition("=")[0] for word in given[: given.index("--") if "--" in given else len(given)]}
    flagged = [action for action in command._actions if named.intersection(action.option_strings)]
    groups = command._mutually_exclusive_groups
    for action, (value, where) in settings.items():
        rivals = [one for group in groups if action in group._group_actions for one in group._group_actions]
        if action in flagged or any(one in flagged for one in rivals):
            continue
        try:
            command.set_defaults(**{action.dest: _value(action, value)})
        except (argparse.ArgumentTypeError, ValueError) as error:
            command.error(f"{where}: {error}")
        action.required = False
        for group in groups:
            if action in group._group_actions:
                group.required = False


def options_of(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the options of a parser by their long names without dashes; --help is none.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> _ = parser.add_argument("--dry-run", action="store_true")
    >>> list(options_of(parser))
    ['dry-run']
    """
    return {
        name[2:]: action
        for action in command._actions
        for name in action.option_strings
        if name.startswith("--") and action.dest not in ("help", "version")
    }


def _config(given: Sequence[str], environment: Mapping[str, str]) -> str | None:
    for at, word in enumerate(given):
        name, equals, value = word.partition("=")
        if name == "--config":
            return value if equals else next(iter(given[at + 1 :]), None)
    return environment.get(f"{PREFIX}CONFIG")


def _of_environment(command: CommandParser, environment: Mapping[str, str]) -> dict[argparse.Action, tuple[Any, str]]:
    found = {}
    for name, action in options_of(command).items():
        variable = PREFIX + name.upper().replace("-", "_")
        if name != "config" and variable in environment:
            found[action] = environment[variable], variable
    return found


def _of_file(
    name: str, commands: Mapping[str, CommandParser], path: str | None
) -> dict[argparse.Action, tuple[Any, str]]:
    """Return the settings of a TOML file: those before the tables are of all commands, a table of the one it names."""
    if not path:
        return {}
    command = commands[name]
    content = _read(command, path)
    shared = {key: value for key, value in content.items() if not isinstance(value, dict)}
    for other in content.keys() - shared.keys() - commands.keys():
        command.error(f"{path}: [{other}] is no command; the commands are {', '.join(commands)}")
    known = {option for one in commands.values() for option in options_of(one)}
    for key in shared:
        if key.replace("_", "-") not in known:
            command.error(f"{path}: no command has an option {key!r}")
    options, found = options_of(command), {}
    for key, value in [*shared.items(), *content.get(name, {}).items()]:
        action = options.get(key.replace("_", "-"))
        if action is not None:
            found[action] = value, f"{path}, {key}"
        elif key in content.get(name, {}):
            command.error(f"{path}: {name} has no option {key!r}; it has {', '.join(options)}")
    return found


def _read(command: CommandParser, path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        size = Path(path).stat().st_size
        if size > 1_000_000:
            raise ValueError(f"it has {size:,} bytes: is it a file of options?")
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # that of TOML is a ValueError too
        why = getattr(error, "strerror", None) or error
        command.error(f"--config {path}: {why}")


def _value(action: argparse.Action, value: Any) -> Any:
    """Return a value of a file or of the environment as the option's own type.

    Raises
    ------
    ValueError, argparse.ArgumentTypeError
        Where it is none.
    """
    if action.nargs == 0:
        return _switch(value)
    if action.nargs == "?" and str(value).strip().lower() in (*_TRUE, *_FALSE):  # with a value, or as a switch
        return action.const if _switch(value) else None
    if isinstance(value, (bool, dict)):
        raise ValueError(f"it is a text, a number or a list; got {value!r}")
    many = action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction)
    if isinstance(value, str) and many:
        value = [part.strip() for part in value.split(",")]
    if many:
        return [_one(action, part) for part in (value if isinstance(value, list) else [value])]
    return _one(action, ",".join(map(str, value)) if isinstance(value, list) else value)


def _one(action: argparse.Action, value: Any) -> Any:
    convert: Any = action.type or str
    try:
        found = convert(str(value))
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is no {getattr(convert, '__name__', 'value')}") from None
    if action.choices is not None and found not in action.choices:
        raise ValueError(f"it is one of {', '.join(map(str, action.choices))}; got {value!r}")
    return found


def _switch(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"it is true or false; got {value!r}")
    return text in _TRUE
