"""How far two results of the same kind are from each other."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch

from scope_widgets._provenance import Provenance
from scope_widgets.remote.errors import RemoteError

#: what each comparison found, for the summary of the run
found = {}


def equal(name, theirs, ours, within=1e-4):
    """Assert that two results differ by no more than this, numbers apart not at all, and note the difference."""
    found[name] = max(found.get(name, 0.0), distance(theirs, ours, name))
    assert found[name] <= within


def distance(theirs, ours, where):
    """The largest difference of two numbers at the same place, NaN at the same places; 0 where there are none."""
    assert not isinstance(theirs, RemoteError)
    if isinstance(ours, torch.Tensor):
        assert isinstance(theirs, torch.Tensor), where
        assert (theirs.shape, theirs.dtype, theirs.device) == (ours.shape, ours.dtype, ours.device), where
        return distance(theirs.numpy(), ours.numpy(), where)
    if isinstance(ours, np.ndarray):
        assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype), where
        if ours.dtype.kind != "f":
            assert (theirs == ours).all(), where
            return 0.0
        assert (np.isnan(theirs) == np.isnan(ours)).all(), where
        gap = np.abs(theirs - ours)[np.isfinite(ours)]
        same = np.isinf(ours)
        assert (theirs[same] == ours[same]).all(), where
        return float(gap.max(initial=0.0))
    assert type(theirs) is type(ours), f"{where}: {type(theirs)} and {type(ours)}"
    if isinstance(ours, float):
        return distance(np.array(theirs), np.array(ours), where)
    if isinstance(ours, Provenance):  # the hub names a commit, and the server has packages of its own
        one, other = (
            dataclasses.replace(origin, revision=None, versions={}, calls=_after_load(origin))
            for origin in (theirs, ours)
        )
        assert one == other, where
        assert theirs.versions["scope-widgets"] == ours.versions["scope-widgets"], where
        return 0.0
    if dataclasses.is_dataclass(ours):
        names = [field.name for field in dataclasses.fields(ours)]
        return max(distance(getattr(theirs, name), getattr(ours, name), f"{where}.{name}") for name in names)
    if isinstance(ours, Mapping):
        assert list(theirs) == list(ours), where
        return max((distance(theirs[key], ours[key], f"{where}[{key!r}]") for key in ours), default=0.0)
    if isinstance(ours, (list, tuple)):
        assert len(theirs) == len(ours), where
        pairs = enumerate(zip(theirs, ours, strict=True))
        return max((distance(one, other, f"{where}[{i}]") for i, (one, other) in pairs), default=0.0)
    if hasattr(ours, "to_numpy"):
        assert list(theirs) == list(ours), where
        return max(distance(theirs[column].tolist(), ours[column].tolist(), f"{where}.{column}") for column in ours)
    assert theirs == ours, f"{where}: {theirs!r} and {ours!r}"
    return 0.0


def _after_load(origin):
    """The calls that make a result of a model, however it was loaded."""
    return tuple(call for call in origin.calls if not call.startswith("Microscope.load("))
