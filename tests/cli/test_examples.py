"""Each command has a page of help that ends with an example, and the example works, as text and as JSON."""

import shlex

import pytest

from scope_widgets.cli import main, ui
from scope_widgets.cli.command_line import make_parser

COMMANDS = make_parser()[1]
#: commands that say what they find of this machine, or serve until they are stopped
APART = {"doctor", "ui"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_a_page_that_ends_with_its_example(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main([name, "--help"]) == 0
    page = capsys.readouterr().out
    assert page.rstrip().endswith(COMMANDS[name].example)
    assert COMMANDS[name].example.split()[:2] == ["microscope", name]
    assert len(page.splitlines()) <= 60
    for action in COMMANDS[name]._actions:
        assert action.help, action.dest


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - APART))
def test_an_example_works(name, workplace, ask_json):
    arguments = shlex.split(COMMANDS[name].example)[2:]
    assert ask_json(name, *arguments)["command"] == name


def test_an_example_of_a_server_starts_it(workplace, ask, ask_json, monkeypatch):
    serve = pytest.importorskip("scope_widgets.apps.workbench.serve")
    monkeypatch.setattr(serve, "serve", lambda workspace, *, say, **_: say("http://127.0.0.1:1/#token=x"))
    arguments = shlex.split(ui.EXAMPLE)[1:]
    assert ask(*arguments).out == "http://127.0.0.1:1/#token=x\n"
    assert ask_json(*arguments)["address"] == "http://127.0.0.1:1/#token=x"


def test_the_doctor_answers_by_its_schema(ask_json, monkeypatch):
    from scope_widgets.cli import installation

    monkeypatch.setattr(installation, "hosts", lambda: [])  # a checkout may be without the browser half
    assert ask_json("doctor")["works"]
