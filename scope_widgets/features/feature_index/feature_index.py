"""`FeatureIndex`: what each latent fires on, read from a folder where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from scope_widgets._check_choice import checked_count, is_whole
from scope_widgets._job import Job, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Shown
from scope_widgets._types import Array
from scope_widgets._untrusted import opening, read_text, reading
from scope_widgets.experiments.sae_latent import Latent
from scope_widgets.features.feature_index.demo_index import demo_index
from scope_widgets.features.feature_index.example_lines import ExampleLine, example_lines, recorded_rows
from scope_widgets.features.feature_index.search import by_direction, by_label, by_promoted, by_rate, by_text, by_token
from scope_widgets.features.formats.load import load
from scope_widgets.features.indexing.examples import BEFORE, N_TOP, OF_EACH, QUARTERS
from scope_widgets.features.indexing.files import LABELS, IndexManifest, read_index
from scope_widgets.features.indexing.random_contexts import RandomContexts
from scope_widgets.features.labelling.labels import FeatureLabels
from scope_widgets.features.labelling.notes import LatentNote, read_notes
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.prompt_codes import prompt_codes, submit_prompt_codes
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import encode, token_texts
from scope_widgets.traces.token_values import TokenValues

if TYPE_CHECKING:
    import pandas as pd


class FeatureIndex(Shown):
    """What each latent of an autoencoder fires on, as `features.index` writes it.

    Attributes
    ----------
    manifest : IndexManifest
        What it is of.
    arrays : dict of str to ndarray
        By latent, mapped; see `features/indexing/files.py`.
    contexts : RandomContexts
        The same random contexts for all latents, and where each fires in them.
    folder : Path or None
        Where it lies.
    scope : Microscope or None
    sae : SAE or None
        Needed for `search(fires_on=)`, and the SAE for `search(like=direction)`; they are not in the folder.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder / "rec")
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> index = features.index(scope, sae, rec, folder=folder / "index")
    >>> found = index.search(rate=(0.01, 1.0))
    >>> list(found.columns[-1:]), bool(found.match.is_monotonic_decreasing)
    (['match'], True)
    >>> list(index.top(int(found.feature.iloc[0]), 3))
    ['row', 'sample_id', 'token_pos', 'value', 'before', 'token', 'behind']
    """

    view: ClassVar[str] = "scope_widgets.widgets.feature_browser:FeatureBrowser"
    plotted_by: ClassVar[str] = "scope_widgets.plots.features:feature_rates"

    def __init__(
        self,
        manifest: IndexManifest,
        arrays: dict[str, Array],
        contexts: RandomContexts,
        texts: dict[int, str],
        scope: Microscope | None = None,
        sae: SAE | None = None,
        folder: Path | None = None,
    ) -> None:
        self.manifest, self.arrays, self.contexts, self._texts = manifest, arrays, contexts, texts
        self.scope, self.sae, self.folder = scope, sae, folder

    @classmethod
    def load(cls, folder: str | Path, *, scope: Microscope | None = None, sae: SAE | None = None) -> FeatureIndex:
        """Return the index of a folder; its arrays are read where they are asked for.

        "demo" is the index of `features.load("demo")`, with its labels, that is in the package.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is none, it is damaged, or it is of another SAE or model.
        """
        if str(folder) == "demo":
            folder, sae = demo_index(), sae or load("demo")
        manifest, arrays, contexts, texts = read_index(folder)
        _check_model(manifest, scope, sae)
        arrays_by_name = {name: value.numpy() for name, value in arrays.items()}
        return cls(manifest, arrays_by_name, contexts, texts, scope, sae, Path(folder))

    def __len__(self) -> int:
        """Return the number of latents."""
        return self.manifest.d_sae

    def __repr__(self) -> str:
        """Say what it is of, and how many latents never fired on how many tokens."""
        m = self.manifest
        dead = int((self.arrays["count"] == 0).sum())
        return (
            f"FeatureIndex({m.d_sae:,} latents, {m.site} of layer {m.layer} of {m.model}; {m.n_tokens:,} tokens, on "
            f"which {dead:,} latents never fired)"
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a latent: feature, rate, mean and max (where it fires), dead (on these tokens), top_tokens.

        And label, once there are `labels`; "" of a latent that has none.
        """
        return self._table(np.arange(len(self)))

    def rows(self, of: Any) -> pd.DataFrame:
        """Return rows of `table`, made without the others.

        Parameters
        ----------
        of : sequence of int
            Latents.

        Raises
        ------
        IndexError, TypeError
            For one that there is not.
        """
        return self._table(np.array([self._checked(one) for one in of], dtype=np.int64))

    @cached_property
    def labels(self) -> FeatureLabels | None:
        """The labels that `features.label` wrote beside the index, None before.

        Raises
        ------
        ValueError
            Where their file is damaged, or of another index.
        """
        path = None if self.folder is None else self.folder / LABELS
        if path is None or not path.is_file():
            return None
        with reading(f"{str(path)!r} does not hold labels of this index (features.label(index) writes them anew)"):
            found = FeatureLabels.from_json(read_text(path))
            if found.feature.dtype.kind != "i" or not np.isin(found.feature, np.arange(len(self))).all():
                raise ValueError("it names latents that there are not")
        return found

    @cached_property
    def notes(self) -> dict[int, LatentNote]:
        """Labels and notes of one's own by latent, as `features.annotate` writes them.

        Raises
        ------
        ValueError
            Where their file is damaged, or of another autoencoder.
        """
        return read_notes(self.folder, self.arrays["neighbour"])

    def forget_notes(self) -> None:
        """Read the notes anew when they are asked for next."""
        self.__dict__.pop("notes", None)

    def with_model(self, scope: Microscope | None = None, sae: SAE | None = None) -> FeatureIndex:
        """Return the same index with another model or SAE, or its own where none is given.

        Raises
        ------
        TypeError, ValueError
            For what is none, or another one than that which the index is of.
        """
        if scope is None and sae is None:
            return self
        if not isinstance(scope, (Microscope, type(None))):
            raise TypeError(f"scope= is a Microscope, as Microscope.load returns it; got {opening(scope)}.")
        if not isinstance(sae, (SAE, type(None))):
            raise TypeError(f"sae= is an SAE, as features.load returns it; got {opening(sae)}.")
        _check_model(self.manifest, scope, sae)
        return FeatureIndex(
            self.manifest, self.arrays, self.contexts, self._texts, scope or self.scope, sae or self.sae, self.folder
        )

    def has_text(self, token_id: int) -> bool:
        """Return whether the text of a token is known."""
        return int(token_id) in self._texts

    def text(self, token_id: int) -> str:
        """Return the text of a token."""
        return self._texts.get(int(token_id), f"<{int(token_id)}>")

    # --- one latent -------------------------------------------------------------------------------------------------

    def latent(self, j: int) -> Latent:
        """Return what reads and writes latent `j`, with its label and its largest activation.

        So `steering.ClampFeature(index, j, value)` has a name that says what the latent stands for, or that it is
        dead (never fired in the text of the index), and a slider that goes as far as it ever went.

        Parameters
        ----------
        j : int

        Raises
        ------
        ValueError
            For a latent that there is not, or an index without its SAE.

        Examples
        --------
        >>> from scope_widgets import features
        >>> features.FeatureIndex.load("demo").latent(4).label
        "'Adam'"
        """
        j = self._checked(j)
        if self.sae is None:
            raise ValueError("This index has no SAE at hand: give it to FeatureIndex.load(..., sae=).")
        labels = {} if self.labels is None else dict(zip(self.labels.feature, self.labels.label, strict=True))
        dead = self.arrays["count"][j] == 0
        largest = 0.0 if dead else float(self.arrays["max"][j])
        return replace(self.sae.latent(j), label="dead" if dead else str(labels.get(j, "")), largest=largest)

    def top(self, j: int, n: int = N_TOP) -> pd.DataFrame:
        """Return the strongest examples of a latent, no two of one sample or with the same tokens before.

        Parameters
        ----------
        j : int
        n : int, default 20
            20 are known at most.

        Returns
        -------
        DataFrame
            row, sample_id and token_pos in the recording, value, and the text before, at and behind the token.
        """
        return self._examples(self._checked(j), slice(0, min(checked_count("n", n), N_TOP)))

    def example(self, j: int, n: int = 0) -> TokenValues:
        """Return one of the strongest examples of a latent as text, coloured by how strongly it fires on each token.

        Parameters
        ----------
        j : int
        n : int, default 0
            Which of `top`; 0 is the strongest.

        Returns
        -------
        TokenValues
            NaN where the latent fires and the strength is not known, as in `lines`.

        Raises
        ------
        IndexError
            Where there is no such latent or example.

        Examples
        --------
        >>> index = features.FeatureIndex.load("demo")
        >>> found = index.example(12)
        >>> bool(np.nanmax(found["latent 12"]) == index.top(12).value[0])
        True
        """
        j = self._checked(j)
        if not is_whole(n):
            raise TypeError(f"n= is a whole number, 0 for the strongest example; got {opening(n)}.")
        known = [one for one in self.lines(j) if one.quarter is None]
        if not 0 <= n < len(known):
            raise IndexError(
                f"Latent {j} has {len(known)} of the strongest examples, counted from 0; {n} is none of them."
            )
        line = known[n]
        unknown = np.isnan(line.values).any()
        is_demo = self.folder == demo_index()
        given = {} if is_demo or self.sae is None else {"sae": self.sae}
        folder = "demo" if is_demo else str(self.folder)
        load = () if self.folder is None else (python_call("FeatureIndex.load", ("folder", folder), **given),)
        return TokenValues(
            tokens=list(line.tokens),
            names=[f"latent {j}"],
            values=line.values[None],
            units=[""],
            provenance=Provenance(
                self.manifest.model,
                self.manifest.revision,
                note="How strongly the latent fires on tokens around it needs the recording." if unknown else "",
                calls=(*load, python_call("index.example", ("j", j), ("n", int(n)))),
            ),
        )

    def prompts(self, j: int, n: int = 8) -> list[list[int]]:
        """Return the strongest examples of a latent as prompts, each up to the token that it fires on.

        Of an example the 15 tokens before are known; the token that the tokenizer puts before every text is put before
        them. So far from where its sample began the latent may fire otherwise than in it.

        Parameters
        ----------
        j : int
        n : int, default 8
            20 are known at most.

        Returns
        -------
        list of lists of int
            Token ids; empty for a latent that never fired.

        Raises
        ------
        ValueError
            Where there is no such latent, or the index has no model.

        Examples
        --------
        >>> index = features.FeatureIndex.load("demo", scope=scope)
        >>> [scope.tokenizer.decode(one, skip_special_tokens=True) for one in index.prompts(27, 2)]
        ['When Lily', 'After Lily']
        """
        j, n = self._checked(j), checked_count("n", n)
        if self.scope is None:
            raise ValueError("Prompts of a latent need the model: FeatureIndex.load(folder, scope=).")
        begin = self.scope.tokenizer.bos_token_id
        put = begin is not None and encode(self.scope.tokenizer, "a", None)[0][0][:1] == [begin]
        found = []
        for window in self.arrays["example_window"][j, : min(n, N_TOP), : BEFORE + 1]:
            ids = [int(one) for one in window if one >= 0]
            if ids:
                found.append([*([begin] if put and ids[0] != begin else []), *ids])
        return found

    def quantiles(self, j: int) -> pd.DataFrame:
        """Return examples of each quarter of a latent's activations, which are none of `top`.

        As `top`, with `quarter` before them: 0 of the strongest quarter.
        """
        found = self._examples(self._checked(j), slice(N_TOP, None))
        quarter = np.repeat(np.arange(QUARTERS), OF_EACH)[self.arrays["example_row"][j, N_TOP:] >= 0]
        found.insert(0, "quarter", quarter)
        return found

    def lines(self, j: int) -> list[ExampleLine]:
        """Return all examples of a latent token by token: the strongest, then those of each quarter.

        How strongly it fires on the other tokens is read from the recordings, where these lie where they did, seen from
        the index, and it has its SAE; else it is NaN.
        """
        return example_lines(
            self.arrays, self.text, self._checked(j), self.sae, self._rows if self.sae is not None else None
        )

    @cached_property
    def _rows(self) -> MappedRows | None:
        return recorded_rows(self.folder, self.manifest)

    def tokens(self, j: int) -> pd.DataFrame:
        """Return the tokens that a latent fires on more often than on others: token, token_id, count, share, lift.

        `share` is that of the latent's activations. Sorted by `count ln(lift)`.
        """
        import pandas as pd

        j = self._checked(j)
        ids = self.arrays["token"][j]
        there = ids >= 0
        count = self.arrays["token_count"][j, there]
        return pd.DataFrame(
            {
                "token": [self.text(one) for one in ids[there]],
                "token_id": ids[there],
                "count": count,
                "share": count / max(1, self.arrays["count"][j]),
                "lift": self.arrays["token_lift"][j, there],
            }
        )

    def logits(self, j: int) -> pd.DataFrame:
        """Return the tokens that a latent raises and lowers most through the unembedding: token, token_id, logit.

        Of an activation of 1, on a residual stream of mean square 1; empty where that is not known.
        """
        import pandas as pd

        j = self._checked(j)
        ids = np.concatenate([self.arrays["promoted"][j], self.arrays["suppressed"][j][::-1]])
        values = np.concatenate([self.arrays["promoted_by"][j], self.arrays["suppressed_by"][j][::-1]])
        found = {"token": [self.text(one) for one in ids], "token_id": ids, "logit": values}
        return pd.DataFrame(found)[ids >= 0].reset_index(drop=True)

    def neighbours(self, j: int) -> pd.DataFrame:
        """Return the latents whose decoder rows are most like that of a latent: feature, cosine."""
        import pandas as pd

        j = self._checked(j)
        found = {"feature": self.arrays["neighbour"][j], "cosine": self.arrays["neighbour_cosine"][j]}
        return pd.DataFrame(found)[found["feature"] >= 0].reset_index(drop=True)

    def coactivation(self, j: int) -> pd.DataFrame:
        """Return the latents that fire most in the same rows: feature, together, share, lift.

        `share` of the rows in which `j` fires, `lift` over the other's share of all rows; counted in
        `manifest.n_partner_rows` rows.
        """
        import pandas as pd

        j = self._checked(j)
        of = self.arrays["partner"][j]
        of = of[of >= 0]
        together = self.arrays["partner_together"][j, : len(of)]
        counts = self.arrays["count_of_partners"]
        share = together / max(1, counts[j])
        lift = share * self.manifest.n_partner_rows / np.maximum(1, counts[of])
        return pd.DataFrame({"feature": of, "together": together, "share": share, "lift": lift})

    def histogram(self, j: int) -> pd.DataFrame:
        """Return how often a latent fires how strongly: low, high (activations), count; equal steps of the logarithm.

        What is below a hundredth of the largest is in the first bin.
        """
        import pandas as pd

        j = self._checked(j)
        counts = self.arrays["histogram"][j]
        edges = self.arrays["max"][j] * np.logspace(-2, 0, len(counts) + 1)
        return pd.DataFrame({"low": [0.0, *edges[1:-1]], "high": edges[1:], "count": counts})

    def strongest(self, prompt: str | list[int]) -> Array:
        """Return the largest activation of each latent in a prompt, 0 where it does not fire, float64 `[latent]`.

        Special tokens are left out, and those of massive norm, in which nothing of an index fires.

        Raises
        ------
        ValueError
            Where the index has no model or SAE, or the prompt no token that is read.
        """
        strongest: Array = self.strongest_of([prompt])[0]
        return strongest

    def strongest_of(self, prompts: Sequence[str | list[int]]) -> Array:
        """Return the largest activation of each latent in each of several prompts, float64 `[prompt, latent]`.

        As `strongest`; of a model on a server all prompts are one request, see `encode`.

        Raises
        ------
        ValueError
            Where the index has no model or SAE, or a prompt no token that is read; for no prompt at all.

        Examples
        --------
        >>> index = features.FeatureIndex.load("demo", scope=scope)
        >>> index.strongest_of(["Mary gave John a book", "the dog runs"]).shape == (2, len(index))
        True
        """
        if not len(prompts):
            raise ValueError("prompts= is empty: give one prompt at least.")
        codes = self._prompt_codes([self._prompt_ids(one) for one in prompts], largest=True)
        found: Array = SparseCodes.joined(codes).to_dense().double().numpy()
        return found

    def encode(self, prompt: str | list[int]) -> tuple[list[str], SparseCodes]:
        """Return the tokens of a prompt, and which latents fire on each and how strongly, `[token, latent]`.

        Nothing fires on special tokens, which are left out, and on those of massive norm. Of a model on a server the
        activations of the prompt come here, or, where that is less, the encoder goes there and the codes come back.

        Raises
        ------
        ValueError
            Where the index has no model or SAE, or the prompt no token that is read.

        Examples
        --------
        >>> index = features.FeatureIndex.load("demo", scope=scope)
        >>> tokens, codes = index.encode("Mary gave John a book")
        >>> tokens[:2], len(codes) == len(tokens)
        (['Mary', 'gave'], True)
        """
        return self._encoded(prompt, self._prompt_codes([self._prompt_ids(prompt)]))

    def submit_encode(self, prompt: str | list[int]) -> Job[tuple[list[str], SparseCodes]]:
        """Return the job of `encode`, for who does not wait for the model.

        Parameters
        ----------
        prompt : str or list of int

        Raises
        ------
        ValueError
            As `encode`.

        Examples
        --------
        >>> index = features.FeatureIndex.load("demo", scope=scope)
        >>> index.submit_encode("Mary gave John a book").result()[0][:2]
        ['Mary', 'gave']
        """
        scope, ids = self._needed_scope(), self._prompt_ids(prompt)
        job = submit_prompt_codes(scope, [ids], self._placed_sae(), special=scope.tokenizer.all_special_ids)

        def steps() -> Steps[tuple[list[str], SparseCodes]]:
            return self._encoded(ids, (yield from job.follow()))

        return Job(steps())

    def _encoded(self, prompt: str | list[int], codes: list[SparseCodes]) -> tuple[list[str], SparseCodes]:
        tokenizer, ids = self._needed_scope().tokenizer, np.array(self._prompt_ids(prompt))
        kept = ids[~np.isin(ids, tokenizer.all_special_ids)]
        return token_texts(tokenizer, kept.tolist()), codes[0]

    def _prompt_codes(self, rows: list[list[int]], *, largest: bool = False) -> list[SparseCodes]:
        scope = self._needed_scope()
        special = scope.tokenizer.all_special_ids
        return prompt_codes(scope, rows, self._placed_sae(), special=special, largest=largest)

    def _placed_sae(self) -> SAE:
        sae = self._needed_sae("What fires on a prompt")
        return sae if sae.layer is not None else replace(sae, layer=self.manifest.layer)

    def _needed_scope(self) -> Microscope:
        self._needed_sae("What fires on a prompt")
        if self.scope is None:
            raise ValueError("What fires on a prompt needs the model: FeatureIndex.load(folder, scope=, sae=).")
        return self.scope

    def _prompt_ids(self, prompt: Any) -> list[int]:
        """Return the token ids of a prompt, of which one at least is no special token."""
        scope = self._needed_scope()
        is_ids = isinstance(prompt, list) and all(map(is_whole, prompt))
        if not is_ids and not isinstance(prompt, str):
            raise ValueError(f"A prompt is one text, or a list of token ids; got {_kind(prompt)}.")
        tokenizer = scope.tokenizer
        if is_ids:
            ids = [int(one) for one in prompt]
        else:
            ids = encode(tokenizer, prompt, None)[0][0] if prompt.strip() else []
        if set(ids) <= set(tokenizer.all_special_ids):
            raise ValueError(f"The prompt {opening(prompt)} has no token to read: it is empty, or special tokens only.")
        return ids

    # --- all latents ------------------------------------------------------------------------------------------------

    def search(
        self,
        *,
        token: str | int | None = None,
        text: str | None = None,
        label: str | None = None,
        rate: tuple[float, float] | None = None,
        promotes: str | int | None = None,
        like: int | Tensor | None = None,
        fires_on: str | list[int] | None = None,
        n: int = 100,
    ) -> pd.DataFrame:
        """Return the latents that fulfil all conditions that are given, the best first.

        Parameters
        ----------
        token : str or token id, optional
            Among its top tokens; sorted by the lift.
        text : str, optional
            In the text of one of its 5 strongest examples, whatever its case and spaces.
        label : str, optional
            In its label (of `features.label`, or one's own), whatever its case; sorted by the detection, which is 1 of
            one's own. "unlabelled" finds those without.
        rate : (low, high), optional
            Share of tokens on which it fires.
        promotes : str or token id, optional
            Among the tokens that it promotes most; sorted by the logit.
        like : latent or Tensor [d], optional
            Its nearest decoder rows; or latents by their cosine with a direction, which needs the SAE.
        fires_on : str or list of int, optional
            A prompt on which it fires; sorted by the largest activation. Needs the SAE and the model.
        n : int, default 100
            At most so many.

        Returns
        -------
        DataFrame
            As `table`, with `match`: what it is sorted by, of the last condition in the order above that has a number;
            without one the rate.

        Raises
        ------
        ValueError
            Without a condition, for one that is none, for a token that is in no list of the index (with its other
            spellings that are), and where what a condition needs is missing.
        """
        n = checked_count("n", n)
        found = [
            None if token is None else by_token(self.arrays, self._texts, token),
            None if text is None else by_text(self.arrays, self._texts, text),
            None if label is None else by_label(len(self), self.labels, self.notes, label),
            None if rate is None else by_rate(self._rates(), rate),
            None if promotes is None else by_promoted(self.arrays, self._texts, promotes),
            None if like is None else self._by_direction(like),
            None if fires_on is None else self._by_prompt(fires_on),
        ]
        given = [one for one in found if one is not None]
        if not given:
            raise ValueError("Say what to search: token=, text=, label=, rate=, promotes=, like= or fires_on=.")
        scores = np.stack(given)  # NaN where a condition is not fulfilled
        passed = np.flatnonzero(~np.isnan(scores).any(0))
        numbers = [found[at] for at in (6, 5, 4, 2, 0) if found[at] is not None]
        match = numbers[0] if numbers else self._rates()
        assert match is not None
        best = passed[np.lexsort((passed, -match[passed]))][:n]
        table = self._table(best)
        table["match"] = match[best]
        return table

    def _rates(self) -> Array:
        rates: Array = self.arrays["count"] / max(1, self.manifest.n_tokens)
        return rates

    def _by_direction(self, like: int | Tensor) -> Array:
        if is_whole(like) and not isinstance(like, Tensor):
            near = self.neighbours(int(like))
            found = np.full(len(self), np.nan)
            found[near["feature"].to_numpy()] = near["cosine"]
            return found
        return by_direction(self._needed_sae("like=direction").W_dec.detach().cpu().float(), like)

    def _by_prompt(self, prompt: str | list[int]) -> Array:
        found = self.strongest(prompt)
        return np.where(found > 0, found, np.nan)

    def _needed_sae(self, what: str) -> SAE:
        if self.sae is None:
            raise ValueError(f"{what} needs the SAE: FeatureIndex.load(folder, sae=sae), or with scope= too.")
        return self.sae

    # --- parts ------------------------------------------------------------------------------------------------------

    def _checked(self, j: int) -> int:
        if not is_whole(j):
            raise TypeError(f"A latent is a whole number, 0 to {len(self) - 1}; got {opening(j)}.")
        if not 0 <= j < len(self):
            raise IndexError(f"There is no latent {j}: there are 0 to {len(self) - 1}.")
        return int(j)

    def _table(self, of: Array) -> pd.DataFrame:
        import pandas as pd

        some = {name: self.arrays[name][of] for name in ("count", "mean", "max", "token")}
        listed = some["token"][:, :5]
        quoted = {one: repr(self.text(one)) for one in np.unique(listed).tolist()}
        tokens = [", ".join([quoted[one] for one in row if one >= 0]) for row in listed.tolist()]
        columns = {
            "feature": of,
            "rate": some["count"] / max(1, self.manifest.n_tokens),
            "mean": some["mean"],
            "max": some["max"],
            "dead": some["count"] == 0,
            "top_tokens": tokens,
        }
        if self.labels is not None:
            known = dict(zip(self.labels.feature.tolist(), self.labels.label, strict=True))
            columns["label"] = [known.get(one, "") for one in of.tolist()]
        return pd.DataFrame(columns)

    def _examples(self, j: int, some: Any) -> pd.DataFrame:
        import pandas as pd

        row = self.arrays["example_row"][j, some]
        there = row >= 0
        windows = self.arrays["example_window"][j, some][there].tolist()
        texts = [[self.text(one) if one >= 0 else "" for one in window] for window in windows]
        return pd.DataFrame(
            {
                "row": row[there],
                "sample_id": self.arrays["example_sample"][j, some][there],
                "token_pos": self.arrays["example_position"][j, some][there],
                "value": self.arrays["example_value"][j, some][there],
                "before": [self._joined(one[:BEFORE]) for one in texts],
                "token": [one[BEFORE] for one in texts],
                "behind": [self._joined(one[BEFORE + 1 :]) for one in texts],
            }
        )

    def _joined(self, texts: list[str]) -> str:
        return self._space.join(one for one in texts if one)

    @cached_property
    def _space(self) -> str:
        """What stands between tokens: nothing, but a space where the tokenizer's tokens are words without theirs."""
        return "" if any(text[:1].isspace() for text in self._texts.values()) else " "


def _check_model(manifest: IndexManifest, scope: Microscope | None, sae: SAE | None) -> None:
    if sae is not None and sae.d_sae != manifest.d_sae:
        raise ValueError(f"This index is of {manifest.d_sae:,} latents; {sae!r} has {sae.d_sae:,}.")
    if sae is not None and (sae.layer not in (None, manifest.layer) or sae.site != manifest.site):
        raise ValueError(f"This index is of {manifest.site} of layer {manifest.layer}; {sae!r} is of another place.")
    if scope is not None and scope.model_id != manifest.model:
        raise ValueError(f"This index is of {manifest.model}; the model given is {scope.model_id}.")
    if sae is not None:
        warn_of_another_model(manifest.model, sae)


def _kind(given: Any) -> str:
    several = f" of {len(given)}, the first {opening(given[0])}" if isinstance(given, (list, tuple)) and given else ""
    return f"{opening(given)}{several}"
