"""`Answer`: what a command has to say, as text for a person and as an object for a program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from scope_widgets._json_values import json_value
from scope_widgets._version import __version__

if TYPE_CHECKING:
    import pandas as pd

#: what a terminal obeys, and what turns the direction of writing: texts of tokens may hold any of it
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Answer(NamedTuple):
    """What a command answers.

    Attributes
    ----------
    fields : dict
        Of the object of `--json`; `command` and `version` are added.
    text : str
        The same for a person.
    failed : str
        A sentence where the command ends with status 1 although it has an answer.
    """

    fields: dict[str, Any]
    text: str
    failed: str = ""

    def to_json(self, command: str) -> str:
        """Return the object of a command as one line; NaN and infinities are null."""
        import json  # not for --help

        return json.dumps(json_value({"command": command, "version": __version__, **self.fields}), allow_nan=False)


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as objects.

    Examples
    --------
    >>> import pandas
    >>> rows(pandas.DataFrame({"head": [1], "effect": [float("nan")]}))
    [{'head': 1, 'effect': nan}]
    """
    found: list[dict[str, Any]] = table.to_dict("records")
    return found


def shown(table: pd.DataFrame, digits: int = 4) -> str:
    r"""Return a table as text, in which ends of lines and tabs within texts are written out.

    Examples
    --------
    >>> import pandas
    >>> print(shown(pandas.DataFrame({"token": ["a\nb"], "probability": [0.123456]})))
    token  probability
     a\nb       0.1235
    """
    written = table.map(lambda cell: cell.replace("\n", "\\n").replace("\t", "\\t") if isinstance(cell, str) else cell)
    return str(written.to_string(index=False, na_rep="", float_format=f"{{:.{digits}g}}".format))


def printable(text: str) -> str:
    r"""Return a text without what a terminal would obey: such characters are written out.

    Examples
    --------
    >>> printable("a\x1b[2J")
    'a\\x1b[2J'
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
