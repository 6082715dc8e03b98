"""Words that stand in a few rooms of the package only."""

import io
import re
import tokenize

from tests.support.paths import ROOT

PACKAGE = ROOT / "scope_widgets"
#: what asks where a model is
WHERE = re.compile(r"(?:.*_)?(?:far|remote|server)(?:_.*)?|Far[A-Z].*|Remote.*")
#: what runs a function where its model is, without asking; and a package of Jupyter's
ALLOWED = {"remote_dispatch", "jupyter_server"}
#: what is a server itself, or looks at one that shows views: they say nothing of where a model is
SERVERS = [PACKAGE / "apps" / "workbench", PACKAGE / "cli" / "installation"]


def identifiers(path):
    """Each name in a file with its line, no words of comments, docstrings and other texts."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    return [(token.string, token.start[0]) for token in tokens if token.type == tokenize.NAME]


def test_only_models_and_remote_know_where_a_model_is():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        # the command line has the flag --remote
        allowed = ALLOWED | ({"remote"} if room == "cli" else set())
        if room not in ("models", "remote") and not any(path.is_relative_to(one) for one in SERVERS):
            found += [
                f"{path.relative_to(ROOT)}:{line}: {name}"
                for name, line in identifiers(path)
                if WHERE.fullmatch(name) and name not in allowed
            ]
    assert found == []


def test_the_pattern_finds_what_it_is_to_find():
    for name in ("far", "is_far", "far_steps", "FarLive", "remote", "server", "_server", "RemoteTrace"):
        assert WHERE.fullmatch(name)
    for name in ("farm", "remotable", "observer", "served", "fare"):
        assert not WHERE.fullmatch(name)
