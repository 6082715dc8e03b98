"""What tests of the command line share: a folder with texts to work in, and the object of --json."""

import json
from types import SimpleNamespace

import jsonschema
import pytest

from scope_widgets.cli import main
from scope_widgets.cli.command_line import make_parser
from scope_widgets.cli.conventions.schema import DRY_RUN, whole_schema

TEXTS = (
    "When Mary and John went to the store, John gave a drink to Mary",
    "the dog runs and the cats run",
    "the horse sees the dogs",
    "Mary gave John a book",
) * 5


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Return a folder, which is the current one, with texts.txt in it; no setting comes from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("MODEL", "CONFIG", "OUT", "SEED", "JSON"):
        monkeypatch.delenv(f"MICROSCOPE_{name}", raising=False)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    return tmp_path


@pytest.fixture
def ask(capsys):
    """Return a function that runs a command and returns status, stdout and stderr."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        return SimpleNamespace(status=status, **capsys.readouterr()._asdict())

    return run


@pytest.fixture
def ask_json(ask):
    """Return a function that runs a command with --json and returns its object, which is as its schema says."""
    commands = make_parser()[1]

    def run(name, *arguments):
        done = ask(name, *arguments, "--json")
        assert (done.status, done.err) == (0, ""), done.err
        assert done.out.count("\n") == 1
        found = json.loads(done.out)
        answer = DRY_RUN if "dry_run" in found else commands[name].answer
        jsonschema.validate(found, whole_schema(name, answer))
        return found

    return run
