"""`Probes`: what linear readers of each layer find of labels, beside nulls, control and baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from scope_widgets._chart import Charted
from scope_widgets._check_choice import check_choice
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets.experiments.direction import Direction
from scope_widgets.probing.causal_result import LEVEL, CausalTest

if TYPE_CHECKING:
    import pandas as pd

_Floats = np.ndarray[Any, np.dtype[np.float64]]
#: see `Probes.direction`
Along: TypeAlias = Literal["covariance", "weights"]


@dataclass(frozen=True, eq=False, repr=False)
class Probes(Charted):
    """What a linear probe of each layer finds of two classes of texts, on prompts that it was not fitted on.

    Attributes
    ----------
    method, positions : str
        As `probing.fit` was told.
    layer : ndarray of int [layer]
        The block that the residual stream enters; `n_layers`: the final norm.
    auc, low, high : ndarray [layer]
        Area under the ROC curve on held-out prompts, and its 95 % interval (Newcombe's, of as many prompts as there are
        groups).
    null : ndarray [layer, permutation]
        The same of probes of permuted labels.
    p, q : ndarray [layer]
        Share of these that are as high, the probe's own among them; and corrected for the layers (Benjamini-Hochberg).
    control : ndarray [layer]
        AUC of probes of random labels of words (`selectivity` is what the probe has above it); NaN of "ccs".
    tokens, tokens_low, tokens_high : float
        AUC of a logistic regression on which tokens a text has, which reads no activations, and its interval.
    embedding : float
        AUC of the same probe at layer 0.
    penalty : ndarray [layer]
        What inner folds chose; NaN where there is none.
    weights : ndarray of float32 [layer, d_model]
    bias : ndarray [layer]
        A text with activations `x` is said to be of the second class where `x @ weights + bias` is above 0.
    covariance : ndarray of float32 [layer, d_model]
        Of each number of the activations with what the probe says: how activations move with it (Haufe et al. 2014). Of
        "difference_of_means" that difference itself.
    difference : ndarray of float32 [layer, d_model]
        From the mean of the first class to that of the second; of "ccs" from false statements to true ones.
    scale : ndarray [layer]
        The typical norm of the residual stream at the positions read.
    n, n_groups, n_fitted : int
        Texts that are held out, groups that they are of, and texts that were fitted.
    classes : tuple of str
        The two labels; the second is what the probes say yes to.
    causal : tuple of CausalTest
        Those that `with_test` added.
    provenance : Provenance

    Examples
    --------
    >>> names = ["Mary", "John", "Anna", "Tom", "Emma", "Paul", "Lucy", "Mark"]
    >>> texts = [f"{name} {verb} the dog" for verb in ("likes", "saw", "runs to", "sleeps by") for name in names]
    >>> probes = probing.fit(scope, texts, ["runs" in one or "sleeps" in one for one in texts], positions="mean")
    >>> len(probes.layer) == scope.n_layers + 1
    True
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.probing:probes"
    chart: ClassVar[str] = "scope_widgets.widgets.figures.charts:ProbesChart"

    method: str
    positions: str
    layer: np.ndarray[Any, np.dtype[np.int64]]
    auc: _Floats
    low: _Floats
    high: _Floats
    null: _Floats
    p: _Floats
    q: _Floats
    control: _Floats
    tokens: float
    tokens_low: float
    tokens_high: float
    embedding: float
    penalty: _Floats
    weights: np.ndarray[Any, np.dtype[np.float32]]
    bias: _Floats
    covariance: np.ndarray[Any, np.dtype[np.float32]]
    difference: np.ndarray[Any, np.dtype[np.float32]]
    scale: _Floats
    n: int
    n_groups: int
    n_fitted: int
    classes: tuple[str, str]
    provenance: Provenance
    causal: tuple[CausalTest, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where the parts are not of the same layers."""
        n = len(self.layer)
        if any(
            getattr(self, name).shape != (n,)
            for name in ("auc", "low", "high", "p", "q", "control", "penalty", "bias", "scale")
        ):
            raise ValueError("Probes have one number of each kind a layer")
        vectors = (self.null, self.weights, self.covariance, self.difference)
        if any(one.ndim != 2 or len(one) != n for one in vectors) or len({one.shape for one in vectors[1:]}) != 1:
            raise ValueError("Probes have one row of weights and one of null values a layer")

    @property
    def selectivity(self) -> Array:
        """AUC above that of the control task, [layer]."""
        return self.auc - self.control

    def decodable(self, *, level: float = LEVEL) -> list[int]:
        """Return the layers at which the labels are decodable: q below a level.

        Parameters
        ----------
        level : float, default 0.05

        Examples
        --------
        >>> texts = [f"{noun} {verb}" for noun in ("dog", "cat", "horse", "bird", "man", "boy", "girl", "child")
        ...          for verb in ("runs", "sleeps", "likes", "saw")]
        >>> probing.fit(scope, texts, ["runs" in one for one in texts], layers=[2], permutations=99).decodable()
        [2]
        """
        return [int(one) for one in self.layer[self.q < level]]

    def direction(self, layer: int, *, along: Along = "covariance") -> Direction:
        """Return the direction of the probe of a layer, for `steering.AddDirection` and `editing`.

        It points to the second class; its length is how far the means of the classes are apart along it.

        Parameters
        ----------
        layer : int
        along : "covariance" or "weights", default "covariance"
            How activations move with what the probe says, which is where steering goes; or what it reads along, which
            may lead where no activation is, as it is made to be blind to all that is common to both classes.

        Raises
        ------
        ValueError
            For a layer without a probe, or a probe that reads nothing.

        References
        ----------
        Haufe et al. 2014 (why weights are not what a signal looks like); Marks and Tegmark 2023 (arXiv 2310.06824).

        Examples
        --------
        >>> texts = [f"{noun} {verb}" for noun in ("dog", "cat", "horse", "bird", "man", "boy", "girl", "child")
        ...          for verb in ("runs", "sleeps", "likes", "saw")]
        >>> probes = probing.fit(scope, texts, ["s" in one[-2:] for one in texts], layers=[2], permutations=20)
        >>> add = steering.AddDirection(probes.direction(2), 0.5)
        """
        at = self._at(layer)
        check_choice("along", along, Along)
        vector = (self.covariance if along == "covariance" else self.weights)[at].astype(np.float64)
        norm = float(np.linalg.norm(vector))
        if not norm > 0:
            raise ValueError(f"The probe of layer {layer} reads nothing: all texts are alike there.")
        no, yes = self.classes
        return Direction(
            name=f"{yes} over {no}",
            layer=int(self.layer[at]),
            vector=(vector / norm).astype(np.float32),
            scale=float(self.scale[at]),
            length=float(abs(self.difference[at] @ vector) / norm / self.scale[at]),
            provenance=replace(self.provenance, note=f"{along} of a probe: {self.text(layer)}"),
        )

    def scores(self, layer: int, activations: Any) -> Array:
        """Return what the probe of a layer says of activations: above 0 the second class.

        Parameters
        ----------
        layer : int
        activations : array or tensor [..., d_model]

        Examples
        --------
        >>> texts = [f"{noun} {verb}" for noun in ("dog", "cat", "horse", "bird", "man", "boy", "girl", "child")
        ...          for verb in ("runs", "sleeps", "likes", "saw")]
        >>> probes = probing.fit(scope, texts, ["s" in one[-2:] for one in texts], layers=[2], permutations=20)
        >>> probes.scores(2, scope.trace("the dog runs").residual(2)).shape
        (4,)
        """
        at = self._at(layer)
        x = np.asarray(activations.detach().double().cpu() if hasattr(activations, "detach") else activations)
        if x.shape[-1:] != self.weights.shape[1:]:
            raise ValueError(
                f"Activations have {self.weights.shape[1]} numbers in the last axis; got an array {list(x.shape)}."
            )
        found: Array = x @ self.weights[at].astype(np.float64) + self.bias[at]
        return found

    def with_test(self, test: CausalTest) -> Probes:
        """Return these probes with a causal test, which changes what is said of its layer.

        Parameters
        ----------
        test : CausalTest
            Of these probes, as `probing.causal_test` returns it.
        """
        if test.classes != self.classes or test.layer not in self.layer:
            raise ValueError(f"This test is of {test.classes} at layer {test.layer}, and of other probes than these.")
        return replace(self, causal=(*(one for one in self.causal if one.layer != test.layer), test))

    def text(self, layer: int | None = None) -> str:
        """Return what was found as a sentence: of one layer, or of all.

        It says "decodable" of what a probe finds; "encodes" only of a layer whose causal test passed.

        Parameters
        ----------
        layer : int, optional
            By default all are summed up.

        Examples
        --------
        >>> texts = [f"{noun} {verb}" for noun in ("dog", "cat", "horse", "bird", "man", "boy", "girl", "child")
        ...          for verb in ("runs", "sleeps", "likes", "saw")]
        >>> probing.fit(scope, texts, ["runs" in one for one in texts], layers=[2], permutations=99).text(2)
        "'False' against 'True' is decodable at layer 2: AUC 1.00 ..."
        """
        no, yes = self.classes
        beside = f"tokens alone {self.tokens:.2f}, layer 0 {self.embedding:.2f}"
        if layer is not None:
            at = self._at(layer)
            numbers = (
                f"AUC {self.auc[at]:.2f} [{self.low[at]:.2f}, {self.high[at]:.2f}], permuted labels "
                f"{self.null[at].mean():.2f}, q {self.q[at]:.2g}, control task {self.control[at]:.2f}; {beside}"
            )
            is_not = "" if self.q[at] < LEVEL else "not "
            for test in self.causal:
                if test.layer == layer:
                    return f"{test.text()}; {is_not}decodable: {numbers}"
            return f"{no!r} against {yes!r} is {is_not}decodable at layer {layer}: {numbers}"
        found = self.decodable()
        if not found:
            return f"{no!r} against {yes!r} is decodable at no layer (q {self.q.min():.2g} at least; {beside})"
        best = int(self.auc.argmax())
        said = (
            f"{no!r} against {yes!r} is decodable at layers {', '.join(map(str, found))}, best at {self.layer[best]}: "
            f"AUC {self.auc[best]:.2f} [{self.low[best]:.2f}, {self.high[best]:.2f}]; {beside}"
        )
        passed = [one for one in self.causal if one.passed]
        return said + "".join(f"; {one.text()}" for one in passed)

    def _at(self, layer: int) -> int:
        known = np.flatnonzero(self.layer == layer)
        if not len(known):
            raise ValueError(f"There is no probe of layer {layer!r}; there are of {', '.join(map(str, self.layer))}.")
        return int(known[0])

    def _said(self) -> str:
        return self.text()

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a layer: AUC with interval, p, q, null (mean and 95th percentile), control task and baselines.

        `tested` is None, or whether the causal test of the layer passed.
        """
        import pandas as pd

        tested = {one.layer: one.passed for one in self.causal}
        columns = {name: getattr(self, name) for name in ("layer", "auc", "low", "high", "p", "q")}
        columns |= {"null": self.null.mean(1), "null_high": np.percentile(self.null, 95, axis=1)}
        columns |= {"control": self.control, "selectivity": self.selectivity}
        columns |= {"tokens": self.tokens, "embedding": self.embedding, "penalty": self.penalty}
        return pd.DataFrame({**columns, "tested": [tested.get(int(one)) for one in self.layer]})
