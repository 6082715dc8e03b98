"""Document the demo model, and put the page of its report into the docs: ``python -m scripts.demo_report``.

Some four minutes of one core. What is finished is kept in the folder that is given with ``--folder``, so that it can
be stopped.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reports" / "demo.html"


def main() -> None:
    """Write the page."""
    from scope_widgets import Microscope, features, report

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where all files of the report go")
    folder = parser.parse_args().folder
    with TemporaryDirectory() as own:
        target = folder or Path(own)
        indexes = {features.load("demo"): features.FeatureIndex.load("demo")}
        documentation = report.analyse(Microscope.load("demo"), target, indexes=indexes)
        PAGE.parent.mkdir(exist_ok=True)
        shutil.copy(target / "documentation.html", PAGE)
    print(documentation.score)


if __name__ == "__main__":
    main()
