"""`analyse`: a model documented, verified, scored and written down, in one call."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._files import check_folder, write_text
from scope_widgets._progress import tqdm
from scope_widgets._provenance import versions
from scope_widgets._seeds import seed_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.architecture import architecture
from scope_widgets.report.documentation import FILE, Documentation, document
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.figures import Figure
from scope_widgets.report.fingerprint import fingerprint
from scope_widgets.report.pages.markdown import summary
from scope_widgets.report.suite import SUITE, Behaviour, Suite
from scope_widgets.report.verification.finished_steps import FinishedSteps, UnfinishedByOthersError, key_of
from scope_widgets.report.verification.verify import verified
from scope_widgets.report.writers.behaviours import WRITERS
from scope_widgets.report.writers.features import write_features
from scope_widgets.report.writers.files import from_data, to_data
from scope_widgets.report.writers.written import Writer, Written

if TYPE_CHECKING:
    from scope_widgets.features.feature_index.feature_index import FeatureIndex
    from scope_widgets.features.sae.sae import SAE


def analyse(
    scope: Microscope,
    folder: str | Path,
    *,
    entries: Iterable[Entry | dict[str, Any]] = (),
    writers: Mapping[str, Writer] | None = None,
    indexes: Mapping[SAE, FeatureIndex] | None = None,
    n: int = 64,
    n_discovery: int = 32,
    draws: int = 4,
    seed: int | None = 0,
    suite: Suite = SUITE,
) -> Documentation:
    """Document a model: writers propose entries, each is tested on other prompts, and the score follows.

    The folder gets documentation.json, documentation.md, summary.md, documentation.html with live views, `figures/`,
    and `steps/` with what is finished: a run that was killed goes on from there, to the same bytes.

    Parameters
    ----------
    scope : Microscope
    folder : str or Path
        Made if need be.
    entries : iterable of Entry or dict, optional
        A person's own, in Python or as JSON data; tested as the others are.
    writers : dict of str to callable, optional
        By behaviour: `writer(scope, behaviour, n=, seed=) -> report.Written`; the built-in ones by default.
    indexes : dict of SAE to FeatureIndex, optional
        Autoencoders with what their latents fire on, of which entries about features are made.
    n : int, default 64
        Number of held-out pairs of each behaviour.
    n_discovery : int, default 32
        Number of pairs that writers look at.
    draws : int, default 4
        Of resampling when entries are tested: see `Documentation.verify`.
    seed : int or None, default 0
        Of the pairs that writers look at; those of verification have a hash of the documentation.
    suite : Suite, default report.SUITE

    Returns
    -------
    Documentation

    Raises
    ------
    NotADirectoryError
        Where the folder's name is that of a file.
    ValueError
        For an entry whose claim cannot be run, or of a behaviour that the suite does not have; and where the folder
        holds the documentation of another model.

    Examples
    --------
    >>> from scope_widgets import report
    >>> documentation = report.analyse(scope, "demo-report")  # doctest: +SKIP
    >>> documentation.score["ioi"].value > 0.8  # doctest: +SKIP
    True
    """
    path = check_folder(folder)
    done = _documented(scope, path, entries, writers, indexes, n, n_discovery, draws, seed_of(seed), suite)
    write(done, path)
    return done


def analyse_part(
    scope: Microscope,
    folder: str | Path,
    behaviour: str,
    *,
    writers: Mapping[str, Writer] | None = None,
    n: int = 64,
    n_discovery: int = 32,
    draws: int = 4,
    seed: int | None = 0,
    suite: Suite = SUITE,
) -> None:
    """Do those steps of `analyse` for one behaviour that need nothing of others that is not finished yet.

    With a process for each behaviour a model is documented on several cores: each does its part four times (entries,
    effects, claims, score), the next time when all have done it; `analyse` then finds all of it in the folder.

    Parameters
    ----------
    scope : Microscope
    folder : str or Path
    behaviour : str
    writers, n, n_discovery, draws, seed, suite
        As those of `analyse`, which is to be given the same.

    Raises
    ------
    ValueError
        For a behaviour that the suite does not have.

    Examples
    --------
    >>> from scope_widgets import report
    >>> report.analyse_part(scope, folder, "capitals", n=8)
    """
    suite[behaviour]
    with contextlib.suppress(UnfinishedByOthersError):
        path = check_folder(folder)
        _documented(scope, path, (), writers, None, n, n_discovery, draws, seed_of(seed), suite, behaviour)


def _documented(
    scope: Microscope, path: Path, entries: Iterable[Entry | dict[str, Any]], writers: Mapping[str, Writer] | None,
    indexes: Mapping[SAE, FeatureIndex] | None, n: int, n_discovery: int, draws: int, seed: int, suite: Suite,
    only: str | None = None,
) -> Documentation:  # fmt: skip
    """Return what `analyse` does; `only` is that of `FinishedSteps`, with what it raises."""
    path.mkdir(parents=True, exist_ok=True)
    own = [Entry.from_data(one) if isinstance(one, dict) else one for one in entries]
    for entry in own:
        suite[entry.behaviour]
    model = fingerprint(scope)
    _check_other(path, model)
    key = key_of("writers 4", model, suite.version, str(n_discovery), str(seed), *map(str, versions().items()))
    steps = FinishedSteps(path / "steps", key, only)
    by_behaviour = {}
    chosen = WRITERS if writers is None else writers
    for behaviour in tqdm(steps.own_first(suite.names), desc="Writing entries", unit="behaviour", leave=False):
        if (writer := chosen.get(behaviour)) is not None:
            look = partial(_look, writer, scope, suite[behaviour], n_discovery, seed)
            name = f"entries of {behaviour} by {getattr(writer, '__name__', 'a writer')}"
            by_behaviour[behaviour] = from_data(steps.get(name, look, behaviour))
    written = [(name, by_behaviour[name]) for name in suite.names if name in by_behaviour]
    for sae, index in (indexes or {}).items():
        look_at = partial(_look_at, scope, sae, index, n_discovery, seed, suite)
        number = hashlib.sha256(sae.W_dec.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
        written.append(("next_token", from_data(steps.get(f"entries of latents of {number}", look_at))))
    documentation = _documentation(scope, own, written, suite)
    saes = list(indexes or {})
    done = verified(documentation, scope, n=n, draws=draws, folder=path / "steps", suite=suite, saes=saes, only=only)
    return replace(done, architecture=architecture(scope), figures=documentation.figures)


def _look(writer: Writer, scope: Microscope, behaviour: Behaviour, n: int, seed: int) -> dict[str, Any]:
    return to_data(writer(scope, behaviour, n=n, seed=seed))


def _look_at(scope: Microscope, sae: SAE, index: FeatureIndex, n: int, seed: int, suite: Suite) -> dict[str, Any]:
    name = "next_token" if "next_token" in suite.names else suite.names[-1]
    return to_data(write_features(sae, index, scope=scope, behaviour=name, n=n, seed=seed, suite=suite))


def _check_other(folder: Path, model: str) -> None:
    """Raise ValueError where a folder holds the documentation of another model."""
    if (folder / FILE).is_file():
        other = Documentation.load(folder / FILE)
        if other.fingerprint != model:
            raise ValueError(
                f"{str(folder)!r} holds the documentation of another model, {other.model_id}: give another folder, or "
                "take that one away."
            )


def write(documentation: Documentation, folder: str | Path) -> None:
    """Write all files of a documentation into a folder, which is made if need be.

    Parameters
    ----------
    documentation : Documentation
    folder : str or Path

    Examples
    --------
    >>> from scope_widgets import report
    >>> report.write(report.document(scope, []), folder)
    >>> sorted(path.name for path in folder.iterdir())
    ['documentation.html', 'documentation.json', 'documentation.md', 'summary.md']
    """
    path = check_folder(folder)
    path.mkdir(parents=True, exist_ok=True)
    documentation.save(path)
    documentation.to_markdown(path / "documentation.md")
    write_text(path / "summary.md", summary(documentation))
    documentation.to_html(path / "documentation.html")


def _documentation(
    scope: Microscope, own: list[Entry], written: list[tuple[str, Written]], suite: Suite
) -> Documentation:
    """Return what is to be tested; of entries with one id those that come later get another."""
    ids: dict[str, int] = {}
    entries = []
    for entry in [*own, *(entry for _, one in written for entry in one.entries)]:
        count = ids[entry.id] = ids.get(entry.id, 0) + 1
        entries.append(entry if count == 1 else replace(entry, id=f"{entry.id} ({count})"))
    discovery: dict[str, list[str]] = {}
    for name, one in written:
        if one.seen:
            discovery[name] = list(dict.fromkeys([*discovery.get(name, []), *one.seen]))
    figures: tuple[Figure, ...] = tuple(figure for _, one in written for figure in one.figures)
    made = document(scope, entries, discovery=discovery, suite=suite)
    return replace(made, figures=figures)
