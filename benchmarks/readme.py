"""What the benchmarks write into the README, each between two marks of its own."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def put(name: str, table: list[str]) -> None:
    """Put the lines of a table between the marks of a name, in place of those that are there."""
    before, _, rest = README.read_text().partition(f"<!-- {name} -->")
    _, _, after = rest.partition(f"<!-- end of {name} -->")
    lines = [f"<!-- {name} -->", "", *table, "", f"<!-- end of {name} -->"]
    README.write_text(before + "\n".join(lines) + after)
