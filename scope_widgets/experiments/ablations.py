"""Ablations: what stands in the place of an activation that is taken out, under one name in the whole package.

============== ======================================================================================================
zero           0
mean           its mean over reference prompts of the same template and length, at the same position (Wang et al.
               2022: over the ABC prompts); without reference prompts, over the positions of the prompt itself
resample       what it is on another prompt of the same template and length, drawn at random (Chan et al. 2022)
counterfactual what it is on the prompt's own corrupted version, at the same position
noise          itself with normal noise added
scale          itself times a factor
============== ======================================================================================================

The choice alone moves what is left of a behaviour from below none to above all of it, so that every result says which
it was, over what, and at which positions. Each analysis takes those that make sense for it, as a `Literal` of its own.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from scope_widgets._check_choice import check_choice

AblationMethod: TypeAlias = Literal["zero", "mean", "resample", "counterfactual", "noise", "scale"]


def check_ablation(ablation: object, literal: Any = AblationMethod, or_else: str = "") -> None:
    """Raise ValueError where `ablation` is none of those that an analysis takes, a `Literal` of some of all."""
    check_choice("ablation", ablation, literal, or_else)


def ablation_sentence(
    what: str, ablation: str, *, reference: str = "", positions: str = "all positions", detail: str = ""
) -> str:
    """Return what `Provenance.ablation` says: what was taken out, how, over what, and at which positions.

    Parameters
    ----------
    what : str
        What was taken out: "heads 9.9, 9.6".
    ablation : str
        An `AblationMethod`, or the name of the user's own function.
    reference : str, default ""
        The prompts that a mean is taken over, or that another value comes from: "4 ABC versions of each prompt".
    positions : str, default "all positions"
        "all positions", "END".
    detail : str, default ""
        A number that belongs to it: "std 1.0".

    Examples
    --------
    >>> from scope_widgets.experiments.ablations import ablation_sentence
    >>> ablation_sentence("heads 9.9, 9.6", "mean", reference="4 ABC versions of each prompt", positions="END")
    'heads 9.9, 9.6: mean over 4 ABC versions of each prompt, END'
    """
    of = f" {'over' if ablation == 'mean' else 'from'} {reference}" if reference else ""
    return f"{what}: {', '.join(part for part in (f'{ablation}{of}', detail, positions) if part)}"
