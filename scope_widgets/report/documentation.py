"""`Documentation`: what a model is, written down as entries that are tested, with the score that follows from them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from scope_widgets._files import check_folder, write_text
from scope_widgets._json_fields import decode, encode
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._untrusted import json_text, opening, parse_json, read_text, why
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.figures import Figure, read_figures, write_figures
from scope_widgets.report.fingerprint import fingerprint
from scope_widgets.report.model_facts import Architecture
from scope_widgets.report.scoring.score import TransparencyScore
from scope_widgets.report.suite import SUITE, Suite

if TYPE_CHECKING:
    import pandas as pd

    from scope_widgets.features.sae.sae import SAE

#: of the file; another number is another layout
FORMAT: Final = 1
FILE: Final = "documentation.json"
_OTHER: Final = "This text is not a Documentation written by to_json(), nor one that a person wrote by its schema"


@dataclass(frozen=True, eq=False, repr=False)
class Documentation(Result):
    """What a model is, written down as entries that are tested.

    Attributes
    ----------
    entries : tuple of Entry
        All that were submitted, the rejected ones too.
    suite : str
        Version of the suite of behaviours that they are of.
    fingerprint : str
        Hash of the model's weights.
    discovery : dict of str to list of str
        By behaviour: digests of the prompts that entries were found on; no test uses them.
    score : TransparencyScore or None
        None before `verify`.
    architecture : Architecture or None
        What the model is made of.
    figures : tuple of Figure
        Results that a report shows as views.
    provenance : Provenance

    Examples
    --------
    >>> from scope_widgets import report
    >>> name_mover = report.Entry("head", ("a3.h1",), "ioi", {"attends": ["END", "IO"]})
    >>> documentation = report.document(scope, [name_mover])
    >>> documentation.entries[0].status
    'untested'
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.report:documentation"

    entries: tuple[Entry, ...]
    suite: str
    fingerprint: str
    provenance: Provenance
    discovery: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    score: TransparencyScore | None = None
    architecture: Architecture | None = None
    figures: tuple[Figure, ...] = dataclasses.field(default=(), compare=False)

    def __post_init__(self) -> None:
        """Check that entries can be told apart."""
        ids = [entry.id for entry in self.entries]
        if len(set(ids)) < len(ids):
            twice = next(one for one in ids if ids.count(one) > 1)
            raise ValueError(f"Two entries have the id {opening(twice)}: give each one of its own.")

    # --- what is in it ----------------------------------------------------------------------------------------------

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def digest(self) -> str:
        """SHA-256 of model, suite, the entries' contents and `discovery`: the seed of the held-out prompts.

        Ids, notes, evidence, the entries' order and duplicates do not count.
        """
        entries = sorted({f"{one.content} {one.group}" for one in self.entries})
        seen = [" ".join([name, *sorted(set(known))]) for name, known in sorted(self.discovery.items()) if known]
        said = [self.fingerprint, self.suite, *entries, *seen]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()

    def of(self, status: Literal["verified", "rejected", "untested"]) -> tuple[Entry, ...]:
        """Return the entries with a status."""
        return tuple(entry for entry in self.entries if entry.status == status)

    def __getitem__(self, name: str) -> Entry:
        """Return an entry by its id."""
        for entry in self.entries:
            if entry.id == name:
                return entry
        raise ValueError(f"There is no entry {name!r}; there are {len(self.entries):,}.")

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def __repr__(self) -> str:
        """Say how many entries have which status, and the score."""
        counts = ", ".join(f"{len(self.of(one))} {one}" for one in ("verified", "rejected", "untested"))
        return f"Documentation({counts}; {self.score or 'not verified'}; {self.model_id})"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of the entries: id, kind, behaviour, status, claim, effect, q, kept, reason."""
        import pandas as pd

        from scope_widgets.report.claims.claim import said

        rows = []
        for entry in self.entries:
            by_test = {one.test: one for one in reversed(entry.evidence)}
            ablation, agree = by_test.get("ablation"), by_test.get("agree")
            rows.append(
                {
                    "id": entry.id,
                    "kind": entry.kind,
                    "behaviour": entry.behaviour,
                    "status": entry.status,
                    "claim": said(entry.claim),
                    "effect": ablation.effect if ablation else float("nan"),
                    "q": ablation.q if ablation else float("nan"),
                    "kept": agree.effect if agree else float("nan"),
                    "reason": entry.reason,
                }
            )
        columns = ("id", "kind", "behaviour", "status", "claim", "effect", "q", "kept", "reason")
        return pd.DataFrame(rows, columns=list(columns))

    # --- another documentation of it --------------------------------------------------------------------------------

    def add(self, *entries: Entry) -> Documentation:
        """Return it with more entries, which are not tested yet; the score is gone, as it is of other entries."""
        return replace(self, entries=(*self.entries, *(entry.untested() for entry in entries)), score=None)

    def verify(
        self,
        scope: Microscope,
        *,
        n: int = 64,
        draws: int = 4,
        folder: str | Path | None = None,
        suite: Suite = SUITE,
        saes: SAE | Iterable[SAE] = (),
    ) -> Documentation:
        """Test every entry on prompts that its discovery did not use, and score what is verified.

        An entry is verified where all of these hold; else it is rejected, with the reason.

        a. Taking its components out changes the metric: p against chance and against all components of its kind within
           two layers, below .05 after Benjamini-Hochberg over all entries.
        b. Leaving it out lowers what the documentation recovers, or it belongs to a group whose joint removal does.
           Entries are tried one after the other, the smallest effect first; one that is not missed is out for those
           after it, so that of two that say the same one stays.
        c. Its claim holds: with activations from prompts that agree on it at least 80 % of the effect is kept, and
           those that do not agree move the metric; heads attend as it says, logits move as it says.

        Of features: the AUC of the claim on held-out tokens against shuffled labels, and what is lost without them.
        They have no edges, and so no part in the score.

        Parameters
        ----------
        scope : Microscope
            The model that it is of.
        n : int, default 64
            Number of held-out pairs of each behaviour.
        draws : int, default 4
            Of resampling: over how many prompts that give a pair their activations the mean is, at most. Fewer take
            less time, and R hangs more on which they are.
        folder : str or Path, optional
            Where each finished step is kept: a run that was killed goes on from there, to the same bytes.
        suite : Suite, default report.SUITE
            The suite of the documentation.
        saes : SAE or iterable of SAE, optional
            Of entries about features.

        Returns
        -------
        Documentation
            With evidence, statuses and the score.

        Raises
        ------
        ValueError
            For a documentation of another model, or another version of the suite.
        """
        done: Documentation = _above("verification.verify").verified(
            self, scope, n=n, draws=draws, folder=folder, suite=suite, saes=saes
        )
        return done

    def check(self, scope: Microscope, suite: Suite = SUITE) -> None:
        """Raise ValueError where it is of another model, of other weights, or of another suite."""
        if self.fingerprint != fingerprint(scope):
            same = "weights that are others" if self.model_id == scope.model_id else "another model"
            raise ValueError(
                f"This documentation is of {self.model_id}, and {scope.model_id} is {same}: what was found of one says "
                "nothing of the other. Make it again with report.document or report.analyse."
            )
        if self.suite != suite.version:
            raise ValueError(
                f"This documentation is of version {self.suite!r} of the suite, and this is {suite.version!r}: their "
                "scores cannot be compared. Give suite=, or make it again."
            )

    # --- files ------------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return it as JSON by the schema `documentation.schema.json` of the package, figures left out."""
        said = {
            "format": FORMAT,
            "kind": "scope-widgets documentation",
            "model": {"id": self.model_id, "revision": self.provenance.revision, "fingerprint": self.fingerprint},
            "suite": self.suite,
            "entries": [entry.to_data() for entry in self.entries],
            "discovery": self.discovery,
            "score": encode(self.score) if self.score is not None else None,
            "architecture": encode(self.architecture) if self.architecture is not None else None,
            "provenance": encode(self.provenance),
        }
        return json_text(said, "This documentation", "Take out entries.", indent=1)

    @classmethod
    def from_json(cls, text: str) -> Documentation:
        """Return the documentation that `to_json` wrote, or a person did.

        Raises
        ------
        ValueError
            Where the text is none, is of another version, or has an entry whose claim cannot be run.
        """
        try:
            read = parse_json(text)
        except ValueError as error:
            raise ValueError(f"{_OTHER}: it begins {opening(text)}, and {why(error)}.") from None
        if not isinstance(read, dict) or read.get("kind") != "scope-widgets documentation":
            raise ValueError(f"{_OTHER}: it begins {opening(text)}.")
        if read.get("format") != FORMAT:
            raise ValueError(
                f"This documentation is of version {opening(read.get('format'))} of the format, and this package reads "
                f"version {FORMAT}: read it with the version that wrote it."
            )
        try:
            return cls._of(read)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This documentation is damaged: {error!r} does not fit.") from None

    @classmethod
    def _of(cls, read: dict[str, Any]) -> Documentation:
        if not isinstance(read["entries"], list):
            raise ValueError("This documentation is damaged: its entries are no list.")
        model = read["model"]
        names = (model["fingerprint"], read["suite"], model["id"])
        if not all(isinstance(one, str) for one in names):
            raise ValueError("This documentation is damaged: its model or its suite is no text.")
        provenance = decode(read["provenance"], Provenance, "provenance") if read.get("provenance") else None
        score, facts = read.get("score"), read.get("architecture")
        return cls(
            entries=tuple(Entry.from_data(one) for one in read["entries"]),
            suite=read["suite"],
            fingerprint=model["fingerprint"],
            provenance=provenance or Provenance(model["id"], model.get("revision"), versions={}),
            discovery=decode(read.get("discovery", {}), dict[str, list[str]], "discovery"),
            score=None if score is None else decode(score, TransparencyScore, "score"),
            architecture=None if facts is None else decode(facts, Architecture, "architecture"),
        )

    def save(self, folder: str | Path) -> Path:
        """Write documentation.json, and its figures beside it, into a folder, which is made if need be."""
        path = check_folder(folder)
        path.mkdir(parents=True, exist_ok=True)
        write_figures(path, self.figures)
        return write_text(path / FILE, self.to_json() + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Documentation:
        """Return the documentation that a folder holds, or that a JSON file is.

        Raises
        ------
        FileNotFoundError
            Where there is none.
        ValueError
            As `from_json` does.
        """
        path = Path(folder)
        file = path / FILE if path.is_dir() else path
        read = cls.from_json(read_text(file))
        return replace(read, figures=read_figures(file.parent))

    def to_markdown(self, path: str | Path | None = None) -> str:
        """Return it as Markdown: score, facts, every entry with its evidence; and write it where a path is given."""
        text: str = _above("pages.markdown").to_markdown(self)
        if path is not None:
            write_text(path, text)
        return text

    def to_html(self, path: str | Path) -> Path:
        """Write it as one HTML page without network: figures are live views, and each claim opens its evidence."""
        return write_text(path, _above("pages.html").to_html(self))

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self), "text/html": self.to_dataframe()._repr_html_()}


def _above(name: str) -> Any:
    """Return a module that stands on this one, named by a string as results name their views."""
    return import_module(f"scope_widgets.report.{name}")


def document(
    scope: Microscope,
    entries: Iterable[Entry | dict[str, Any]],
    *,
    discovery: dict[str, list[str]] | None = None,
    suite: Suite = SUITE,
) -> Documentation:
    """Return a documentation of a model from entries, in Python or as JSON data; nothing is tested yet.

    Parameters
    ----------
    scope : Microscope
    entries : iterable of Entry or dict
        Their evidence and statuses are dropped: only `Documentation.verify` gives them.
    discovery : dict of str to list of str, optional
        By behaviour: digests of the prompts that they were found on (`report.digest_of`).
    suite : Suite, default report.SUITE

    Returns
    -------
    Documentation

    Raises
    ------
    ValueError
        For a claim that cannot be run, a component that is no name, two entries of one id, an unknown behaviour.

    Examples
    --------
    >>> from scope_widgets import report
    >>> entry = {"kind": "head", "components": ["a3.h1"], "behaviour": "ioi", "claim": {"attends": ["END", "IO"]}}
    >>> len(report.document(scope, [entry]))
    1
    """
    made = [Entry.from_data(one) if isinstance(one, dict) else one for one in entries]
    for entry in made:
        suite[entry.behaviour]
    return Documentation(
        entries=tuple(entry.untested() for entry in made),
        suite=suite.version,
        fingerprint=fingerprint(scope),
        provenance=Provenance(scope.model_id, scope.revision),
        discovery=dict(discovery or {}),
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of documentation.json.

    Examples
    --------
    >>> from scope_widgets import report
    >>> report.schema()["title"]
    'Documentation of a language model'
    """
    read: dict[str, Any] = json.loads(Path(__file__).with_name("documentation.schema.json").read_text("utf-8"))
    return read
