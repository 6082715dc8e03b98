"""Make the models that the server of the remote tests finds on its hub, and print them as `name=folder ...`.

Run as `python repositories.py FOLDER`; folders that are made are made in FOLDER.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "scope_widgets/models/demo"
sys.path.insert(0, str(ROOT / "scripts"))


def without_weights(folder: Path) -> Path:
    """A model whose configuration and tokenizer are there and whose weights are not: the server cannot load it."""
    folder.mkdir(parents=True)
    for path in DEMO.glob("*.json"):
        shutil.copy(path, folder)
    return folder


def main() -> None:
    """Print the repositories."""
    import get_smollm2

    repositories = {
        "demo/ioi": DEMO,
        "demo/hasty": DEMO,  # test_failures.py gives it a time limit of a few seconds
        "demo/broken": without_weights(Path(sys.argv[1]) / "broken"),
    }
    if get_smollm2.ready():
        repositories["ns/smollm2"] = get_smollm2.folder()
    print(*(f"{name}={folder}" for name, folder in repositories.items()))


if __name__ == "__main__":
    main()
