"""One call documents a model; a run that was killed goes on to the same bytes; files are what they say they are."""

import dataclasses
import hashlib
import json
import time

import jsonschema
import pytest

from scope_widgets import circuits, report
from tests.support.forked import Forked
from tests.support.planted_documentation import SUITE, entries
from tests.support.planted_induction_model import planted, repeated


def writer(scope, behaviour, *, n, seed):
    return report.Written(tuple(entries()), ("00" * 8,))


def analyse(model, folder):
    report.analyse(model, folder, writers={"repeated": writer}, suite=SUITE, n=8, n_discovery=4)


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def killed_after(model, folder, steps):
    """Run in a process of its own, and kill it as soon as so many steps are finished; return whether it was."""
    child = Forked(lambda: analyse(model, folder))
    while not child.ended:
        if len(list((folder / "steps").glob("*.json"))) >= steps:
            child.kill()
            return True
        time.sleep(0.001)
    return False


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(model, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    analyse(model, whole)
    steps = len(list((whole / "steps").glob("*.json")))
    assert steps > 8
    for after in (1, steps // 2, steps - 1):
        assert killed_after(model, stopped, after)
    analyse(model, stopped)
    assert digests(stopped) == digests(whole)
    # and nothing is measured twice: a run that is finished writes the same again at once
    before = {path: path.stat().st_mtime_ns for path in (whole / "steps").glob("*.json")}
    analyse(model, whole)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_parts_by_behaviour_end_with_the_bytes_of_one_run(model, tmp_path):
    other = dataclasses.replace(SUITE.behaviours[0], name="again")
    suite = report.Suite("two", (*SUITE.behaviours, other))

    def write(scope, behaviour, *, n, seed):
        made = (dataclasses.replace(entry, behaviour=behaviour.name, id="") for entry in entries())
        return report.Written(tuple(made), ("00" * 8,))

    options = {"writers": {"repeated": write, "again": write}, "suite": suite, "n": 8, "n_discovery": 4}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    report.analyse(model, whole, **options)
    steps = [0]
    for _ in ("entries", "effects", "claims", "score"):
        for name in ("again", "repeated"):
            report.analyse_part(model, parts, name, **options)
            steps.append(len(list((parts / "steps").glob("*.json"))))
    assert steps == sorted(steps)
    assert steps[-1] == len(list((whole / "steps").glob("*.json")))
    report.analyse(model, parts, **options)
    assert digests(parts) == digests(whole)
    with pytest.raises(ValueError, match="no behaviour 'ioi'"):
        report.analyse_part(model, parts, "ioi", **options)


@pytest.fixture(scope="module")
def model():
    return planted(three=True)


@pytest.fixture(scope="module")
def done(model):
    """A documentation with a figure, and texts that somebody wrote to do harm."""
    evil = "<script>alert(1)</script> | [x](javascript:alert(1))"
    bad = report.Entry("head", ("a0.h0",), "repeated", {"depends_on": ["echo"]}, id=evil, note=evil)
    made = report.document(model, [*entries(), bad], suite=SUITE).verify(model, n=8, suite=SUITE)
    circuit = circuits.discover(model, repeated(model, n=4), "eap").keep(12)
    figures = (report.Figure("Edges </script>", "of the planted model", circuit),)
    return dataclasses.replace(made, figures=figures, architecture=report.architecture(model))


def test_files_are_read_as_they_were_written(done, tmp_path):
    report.write(done, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "documentation.html", "documentation.json", "documentation.md", "figures", "summary.md",
    ]  # fmt: skip
    read = report.Documentation.load(tmp_path)
    assert read.to_json() == done.to_json()
    assert read.figures[0].result.edges == done.figures[0].result.edges
    assert read.to_markdown() == done.to_markdown()
    assert report.Documentation.load(tmp_path / "documentation.json").score.value == done.score.value


def test_the_file_fits_its_schema(done):
    jsonschema.Draft202012Validator.check_schema(report.schema())
    jsonschema.Draft202012Validator(report.schema()).validate(json.loads(done.to_json()))
    wrong = json.loads(done.to_json())
    wrong["entries"][0]["claim"] = "it moves names"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(report.schema()).validate(wrong)


def test_the_page_shows_views_and_runs_nothing_that_others_wrote(done):
    from scope_widgets.report.pages.html import to_html

    page = to_html(done)
    assert "connect-src" not in page
    assert "default-src 'none'" in page
    assert "<script>alert" not in page
    assert page.count("<details") == len(done.entries)
    for entry in done.entries:
        assert entry.status in ("verified", "rejected")
    assert 'id="bundle-circuit_graph"' in page
    assert "http-equiv" in page.split("</head>")[0]


def test_markdown_escapes_what_others_wrote(done):
    text = done.to_markdown()
    assert "<script>" not in text
    assert "](javascript" not in text
    assert "## Rejected: 1" in text
    assert "## Verified: 3" in text
    assert len(report.summary(done)) < len(text)


def test_a_folder_of_another_model_is_refused(model, done, tmp_path):
    report.write(done, tmp_path)
    with pytest.raises(ValueError, match="holds the documentation of another model"):
        analyse(planted(three=True, seed=1), tmp_path)
    with pytest.raises(NotADirectoryError):
        analyse(model, tmp_path / "summary.md")


def test_a_person_adds_entries_as_data(model):
    data = [entry.to_data() for entry in entries()]
    made = report.document(model, json.loads(json.dumps(data)), suite=SUITE)
    assert [entry.content for entry in made.entries] == [entry.content for entry in entries()]


def test_another_model_or_version_is_refused(model, done):
    with pytest.raises(ValueError, match="documentation is of"):
        done.verify(planted(three=True, seed=1), suite=SUITE, n=8)
    with pytest.raises(ValueError, match="of the suite"):
        done.verify(model, n=8)
    other = done.to_json().replace('"format": 1', '"format": 9')
    with pytest.raises(ValueError, match="version 9 of the format"):
        report.Documentation.from_json(other)
    for text in ("", "{", "[]", '{"kind": "scope-widgets documentation", "format": 1}', "\ud800"):
        with pytest.raises(ValueError, match="(?i)documentation"):
            report.Documentation.from_json(text)
