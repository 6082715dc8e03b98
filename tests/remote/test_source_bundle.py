"""The modules that travel with a request are enough for it."""

import os
import subprocess
import sys
from pathlib import Path

import scope_widgets
from scope_widgets.remote.source_bundle import sources

DISCOVER = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.experiments.named_tasks import make_task
from scope_widgets.models.microscope import Microscope

model, tokenizer = (kind.from_pretrained(sys.argv[1]) for kind in (AutoModelForCausalLM, AutoTokenizer))
scope = Microscope.for_model(model.eval(), tokenizer)
print(discover(scope, make_task(scope, "ioi", n=4), "eap").task.name)
"""


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
    done = subprocess.run(
        [sys.executable, "-c", DISCOVER, str(demo)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "ioi\n", done.stderr


def test_what_stands_for_the_kernels_has_every_name_of_theirs():
    from scope_widgets import _kernels
    from scope_widgets._kernels import _torch_backend

    assert set(_torch_backend.__all__) == set(_kernels.__all__)
    assert all(hasattr(_torch_backend, name) for name in _torch_backend.__all__)
