"""Try the installed package as a new user would: `check_wheel` runs this in a new environment.

It prints one line of JSON with what the demo model said, which must be the same everywhere; an exception is a failure.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import scope_widgets
from scope_widgets import Microscope, _kernels, features, heads, lens, patching, widgets

PROMPT = "When Mary and John went to the store, John gave a drink to"


def main() -> None:
    """Import, trace, summarise, patch, encode, save a page, and call the command."""
    assert "site-packages" in scope_widgets.__file__, scope_widgets.__file__
    assert _kernels.COMPILED, _kernels.MISSING
    scope = Microscope.load("demo")
    trace = scope.trace(PROMPT, capture=("residual", "attention"))
    attention = np.stack([trace.attention(layer).numpy() for layer in range(scope.n_layers)]).reshape(-1, *[15] * 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(attention * np.log(attention), axis=-1)
    np.testing.assert_allclose(_kernels.entropy_per_query(attention), entropy, atol=1e-5)
    top = lens.logit_lens(trace).to_dataframe()
    effect = patching.activations(
        scope, PROMPT, PROMPT.replace("John gave", "Mary gave"), answer=" Mary", versus=" John", over="residual"
    )
    codes = features.load("demo").encode(trace.residual(3))
    with TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        widgets.save_html([trace, heads.score(trace)], page)
        assert page.stat().st_size > 100_000
    program = Path(sys.executable).with_name("microscope")
    assert "doctor" in subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    doctor = subprocess.run([program, "doctor", "--json"], capture_output=True, text=True)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    numbers = {
        "logit": float(trace.logits.abs().mean()),
        "effect": float(np.nanmax(np.asarray(effect.values))),
        "codes": float(codes.values.sum()),
        "rows": len(top),
    }
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
