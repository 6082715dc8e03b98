"""Flags come before MICROSCOPE_*, and these before the file."""

import pytest

from scope_widgets.cli import command_line


@pytest.fixture
def parsed(workplace, monkeypatch):
    """Return a function that parses arguments with a file and an environment."""

    def parse(*arguments, file=None, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(f"MICROSCOPE_{name}", value)
        if file is not None:
            (workplace / "options.toml").write_text(file)
            arguments = (arguments[0], "--config", "options.toml", *arguments[1:])
        return command_line._parse(list(arguments))

    return parse


def test_the_order(parsed):
    file = 'model = "of-file"\nseed = 1\ndtype = "float16"\n[heads]\nseed = 2\n'
    options = parsed("heads", "--repeated", "--model", "of-flag", file=file, MODEL="of-environment", SEED="3")
    assert (options.model, options.seed, options.dtype) == ("of-flag", 3, "float16")
    assert parsed("ioi", file=file).seed == 3


def test_a_table_is_of_its_command(parsed):
    file = "seed = 1\n[heads]\nseed = 2\nrepeated = true\nlayers = [0, 3]\nout = 'x'"
    options = parsed("heads", file=file)
    assert (options.seed, options.repeated, options.layers, str(options.out)) == (2, True, (0, 3), "x")
    assert parsed("ioi", file=file).seed == 1


def test_the_file_may_be_named_by_the_environment(parsed, workplace):
    (workplace / "mine.toml").write_text("seed = 9")
    assert parsed("ioi", CONFIG="mine.toml").seed == 9


def test_lists_switches_and_needed_options(parsed):
    options = parsed("train", "--layer", "2", file='texts = "a.txt"\n[train]\nd_sae = [64, 32]\nk = 4\nskip = true')
    assert (options.d_sae, options.k, options.skip, str(options.texts)) == ([64, 32], [4], True, "a.txt")
    options = parsed("train", D_SAE="8, 16", SKIP="no", TEXTS="b.txt")
    assert (options.d_sae, options.skip, str(options.texts)) == ([8, 16], False, "b.txt")
    assert parsed("ui", ALLOWED_HOST="a.org,b.org").allowed_host == ["a.org", "b.org"]
    assert parsed("ui", "--allowed-host", "c.org").allowed_host == ["c.org"]


def test_a_flag_comes_before_what_it_excludes(parsed):
    options = parsed("train", "--recording", "rec", file='texts = "a.txt"')
    assert (str(options.recording), options.texts) == ("rec", None)


def test_words_behind_two_dashes_are_no_flags(parsed):
    options = parsed("trace", "--", "--model", file='model = "of-file"')
    assert (options.model, options.prompt) == ("of-file", ["--model"])


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("[heads]\nsead = 1", "heads has no option 'sead'; it has json, quiet"),
        ("sead = 1", "options.toml: no command has an option 'sead'"),
        ("[look]\nseed = 1", "[look] is no command; the commands are trace"),
        ("seed = -1", "options.toml, seed: it is a whole number from 0; got '-1'"),
        ("seed = [", "--config options.toml: "),
        ('dtype = "float8"', "options.toml, dtype: it is one of float32"),
        ("model = true", "options.toml, model: it is a text, a number or a list; got True"),
        ('json = "perhaps"', "options.toml, json: it is true or false; got 'perhaps'"),
        ("n = 1.5", "options.toml, n: it is a whole number from 1"),
    ],
)
def test_what_a_file_cannot_say(file, said, ask, workplace):
    (workplace / "options.toml").write_text(file)
    done = ask("heads", "--repeated", "--config", "options.toml")
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_file_that_is_none(ask, workplace):
    done = ask("heads", "--repeated", "--config", "none.toml")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "--config none.toml: No such file" in done.err


def test_a_wrong_variable_is_named(ask, monkeypatch, workplace):
    monkeypatch.setenv("MICROSCOPE_SEED", "much")
    assert "MICROSCOPE_SEED: it is a whole number from 0; got 'much'" in ask("heads", "--repeated").err


def test_what_is_a_switch_or_has_a_value_is_either(parsed):
    assert parsed("ui").remote is None
    assert parsed("ui", "--remote").remote is True
    assert parsed("ui", "--remote", "http://10.0.0.7:5001/").remote == "http://10.0.0.7:5001"
    assert parsed("ui", file="remote = true").remote is True
    assert parsed("ui", file='remote = "https://h"').remote == "https://h"
    assert parsed("ui", REMOTE="0").remote is None
    assert parsed("ui", REMOTE="http://h").remote == "http://h"


@pytest.mark.parametrize("host", ["10.0.0.7", "http://me:secret@h", "http://a b"])
def test_a_server_has_an_address_without_a_password(parsed, host, capsys):
    with pytest.raises(SystemExit):
        parsed("ui", "--remote", host)
    assert "--remote is an address" in capsys.readouterr().err
