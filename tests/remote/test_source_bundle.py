"""The modules that travel with a request are enough for it."""

import importlib
import sys
from pathlib import Path

import transformers

import scope_widgets
from scope_widgets.remote.source_bundle import sources
from tests.support.forked import Forked


def discovered(folder, demo):
    """Return the name of the task of a circuit that the package in `folder` finds, and where that package is."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "scope_widgets"]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    found = importlib.import_module("scope_widgets.circuits.discovery.discover")
    tasks = importlib.import_module("scope_widgets.experiments.named_tasks")
    microscope = importlib.import_module("scope_widgets.models.microscope").Microscope
    model, tokenizer = (
        kind.from_pretrained(demo) for kind in (transformers.AutoModelForCausalLM, transformers.AutoTokenizer)
    )
    scope = microscope.for_model(model.eval(), tokenizer)
    circuit = found.discover(scope, tasks.make_task(scope, "ioi", n=4), "eap")
    files = [one.__file__ for name, one in sys.modules.items() if name.startswith("scope_widgets.")]
    return [circuit.task.name, sorted({str(Path(file).is_relative_to(folder)) for file in files if file})]


def test_a_task_is_made_by_its_name_where_only_what_travelled_is(tmp_path):
    """Its maker is named by a string, which no import shows."""
    found = sources(["scope_widgets.circuits.discovery.discover"])
    assert {"scope_widgets.ioi.dataset.draw_prompts", "scope_widgets.circuits.tasks.capitals"} <= set(found)
    assert not any(name.startswith("scope_widgets.widgets") for name in found)
    for name, text in found.items():
        path = tmp_path.joinpath(*name.split("."))
        package = any(other.startswith(f"{name}.") for other in found)
        path = path / "__init__.py" if package else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    demo = Path(scope_widgets.__file__).parent / "models" / "demo"
    assert Forked(lambda: discovered(tmp_path, demo)).result() == ["ioi", ["True"]]


def test_what_stands_for_the_kernels_has_every_name_of_theirs():
    from scope_widgets import _kernels
    from scope_widgets._kernels import _torch_backend

    assert set(_torch_backend.__all__) == set(_kernels.__all__) - {"build"}  # what is built where the user is
    assert all(hasattr(_torch_backend, name) for name in _torch_backend.__all__)
