"""Write docs/command_line.md: every command of `microscope`, its options, and the schema of its JSON.

``python -m scripts.command_line_docs`` writes it; tests/scripts/test_command_line_docs.py fails where it is not what
the parsers say.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from scope_widgets.cli.command_line import make_parser
from scope_widgets.cli.conventions.command_parser import CommandParser, default_text
from scope_widgets.cli.conventions.schema import DRY_RUN, Schema, whole_schema

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "command_line.md"

HEADER = """\
# The command line

<!-- Made by `python -m scripts.command_line_docs` from the parsers: change those, not this page. -->

`microscope COMMAND --help` is the page of a command; it ends with an example that works as it is.
`python -m scope_widgets.cli` is the same program.

- **Output.** Results are on stdout, as text for a person or with `--json` as one object on one line, whose schema
  stands below; NaN and infinities are null. Files that were written are in `files`. Progress is on stderr, on a
  terminal only; `--quiet` silences it, and warnings. Nothing is coloured but Python's own help from 3.14 on, which
  obeys `NO_COLOR`. A pipe may be closed early: `microscope runs | head -3`.
- **Exit status.** 0; 1 where something failed; 2 for what cannot be asked, which is seen before any work; 130 after
  Ctrl-C. What was done is kept then: recordings, trainings and indexes go on where they stopped when the same command
  is given again, and a part of a result is `interrupted.json` in `--out`. What went wrong is one sentence on stderr.
- **Options** come from flags, then from the environment (`MICROSCOPE_MODEL`, `MICROSCOPE_MAX_TOKENS`: the long name in
  capitals; parts of a list are separated by commas), then from the file of `--config` or `MICROSCOPE_CONFIG`.
- **`--layers 0,6,9-11`**: numbers and ranges; without it all layers.
- **`--dry-run`** says what memory the model takes, from the sizes of its files, and does nothing.
- **Completion**: `source <(microscope completion bash)` in `~/.bashrc`; zsh and fish as `microscope completion --help`
  says.

With `jq`:

```sh
microscope trace --json "the dog" | jq '.prompts[0].predictions'
microscope heads --repeated --json | jq '.labels[] | select(.label == "induction")'
```

A file of options has those of all commands first, then a table for each command that has its own:

```toml
model = "openai-community/gpt2"
device = "cuda"

[train]
d-sae = [4096, 8192]
k = [32, 64]
```

## Flags of earlier tools

"""
#: flags of earlier tools that have other names here, by command
FORMER = {
    "--dataset": "--texts",
    "--sae-path": "--sae",
    "--activations": "--recording",
    "--output": "--out",
    "--latent-dim": "--d-sae",
    "--layer": "--layers",
}
AS_THEY_WERE = """
`train --sparsity-coef` is taken and left out, and the answer says so: `--k` is how many latents fire, exactly.
`--model`, `--out`, `--max-samples`, `--device`, `--task`, `--host`, `--port` and `--sae-dir` are as they were.
"""


def page() -> str:
    """Return the page as Markdown."""
    commands = make_parser()[1]
    parts = [HEADER + _former(commands), "## The commands\n\n" + _list(commands)]
    parts += [_command(name, parser) for name, parser in commands.items()]
    parts.append(
        "## What `--dry-run` answers\n\n" + _schema(whole_schema("the command", DRY_RUN), "whichever command it is")
    )
    return "\n".join(parts)


def _former(commands: dict[str, CommandParser]) -> str:
    rows = [
        f"| `{name}` | `{former}` | `{own}` |"
        for name, parser in commands.items()
        for former, own in FORMER.items()
        if {former, own} <= set(parser._option_string_actions)
    ]
    return "\n".join(["| command | taken | here |", "|--|--|--|", *rows, AS_THEY_WERE])


def _list(commands: dict[str, CommandParser]) -> str:
    lines = [f"| [`{name}`](#microscope-{name}) | {_cell(one.about)} |" for name, one in commands.items()]
    return "\n".join(["| command | what it does |", "|--|--|", *lines, ""])


def _command(name: str, parser: CommandParser) -> str:
    lines = [
        f"| {_names(action)} | {_cell(action.help or '')}{_words(action)} | {_default(action)} |"
        for action in parser._actions
        if action.dest not in ("help", "json", "quiet", "config")
    ]
    options = "\n".join(["| option | what it is | default |", "|--|--|--|", *lines, ""]) if lines else ""
    parts = [f"## microscope {name}\n", f"{_description(parser)}\n", f"    {parser.example}\n", options]
    return "\n".join([*parts, _schema(whole_schema(name, parser.answer), "with `--json`")])


def _description(parser: argparse.ArgumentParser) -> str:
    return _cell((parser.description or "").replace("\n", " "))


def _names(action: argparse.Action) -> str:
    return ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.dest}`"


def _words(action: argparse.Action) -> str:
    return "" if action.choices is None else f" ({', '.join(map(str, action.choices))})"


def _default(action: argparse.Action) -> str:
    if action.required and action.option_strings:
        return "needed"
    if action.default is None or action.default is False or action.default == [] or not action.option_strings:
        return ""
    return f"`{default_text(action.default).replace('%%', '%')}`"


def _cell(text: str) -> str:
    return text.replace("%%", "%").replace("|", "\\|").replace("<(", "\\<(")


def _schema(schema: Schema, when: str) -> str:
    """Return a schema with a line a property."""
    rest = {name: part for name, part in schema.items() if name != "properties"}
    lines = [f"  {_json(name)}: {_json(part)}" for name, part in schema["properties"].items()]
    said = f'{{"properties": {{\n{_lines(lines)}\n}},\n{_lines([f"{_json(k)}: {_json(v)}" for k, v in rest.items()])}}}'
    return f"<details><summary>JSON schema, {when}</summary>\n\n```json\n{said}\n```\n\n</details>\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(lines: list[str]) -> str:
    return ",\n".join(lines)


def main() -> int:
    """Write the page."""
    TARGET.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
