"""Views in which what is selected can be ablated, scaled or frozen: one list of interventions for all of them."""

from __future__ import annotations

import operator
from typing import Any

import traitlets

from scope_widgets._job import Steps
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.models.tokens import token_texts
from scope_widgets.steering import ClampNeuron, Intervention, PatchActivation, ScaleHead, ScaleMLP, Session, Steered
from scope_widgets.steering.patch_activation import activation_values
from scope_widgets.widgets.core.intervention_names import strength as read_strength
from scope_widgets.widgets.core.prompt_line import PromptFollower
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.core.shared_interventions import (
    SharedInterventions,
    described,
    effect_of,
    with_intervention,
    without,
)
from scope_widgets.widgets.core.view import Answer, LongAnswer, View


class SharesInterventions:
    """What has a list of interventions, and may share it with the views of its selection."""

    selection: Selection
    is_panel = False
    _list: SharedInterventions | None = None
    #: the list was given, and stays
    _given_list = False

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model and the prompt that interventions are made on, None: any; None where there is no model."""
        return None

    def follow_interventions(self) -> None:
        """Show the list as it is now."""

    def share(self, interventions: SharedInterventions | None) -> None:
        """Show this list from now on."""
        if interventions is self._list:
            return
        if self._list is not None:
            self._list.leave(self)
        self._list = interventions
        if interventions is not None:
            interventions.join(self)
        self.follow_interventions()

    def fits(self, interventions: SharedInterventions | None) -> bool:
        """Return whether a list is of the same model and prompt as this view."""
        own = self.intervenes_on()
        if interventions is None or own is None:
            return False
        scope, prompt = own
        return interventions.session.scope is scope and prompt in (None, interventions.session.prompt)


def share_lists(selection: Selection) -> None:
    """Let views of a selection that are of one model and prompt show one list of interventions."""
    sharing = [view for view in selection.views() if isinstance(view, SharesInterventions)]
    lists = sorted((one._list for one in sharing if one._list is not None), key=lambda one: one.number)
    for view in sharing:
        if not view._given_list:
            fitting = [one for one in lists if view.fits(one)]
            best = [one for one in fitting if one.in_panel] or fitting  # before what was begun without a panel
            view.share(view._list if view._list in best else next(iter(best), None))


class Intervening(SharesInterventions, View):
    """A view in which what is selected can be intervened on.

    Parameters
    ----------
    session : Session, optional
        Whose interventions are shown and changed; default those of the views that share the selection, the model and
        the prompt, a `SteeringPanel` among them.
    **traits
        Those of the view.
    """

    can_intervene = traitlets.Bool(help="there is a model, and one prompt, to intervene on").tag(sync=True)
    intervened = traitlets.Dict(help="the list of interventions and what it does, see `_told`").tag(sync=True)

    def __init__(self, *, session: Session | None = None, **traits: Any) -> None:
        if not isinstance(session, (Session, type(None))):
            raise TypeError(f"session= takes a steering.Session, such as panel.session, not {session!r:.60}.")
        super().__init__(**traits)
        if session is not None:
            self._given_list = True
            self.share(SharedInterventions.of(session))

    @property
    def session(self) -> Session | None:
        """The interventions as they stand, to be asked or written out (`code()`); None before there are any."""
        return None if self._list is None else self._list.as_it_stands()

    def intervene(self, intervention: Intervention) -> Steered:
        """Add an intervention to the list, in all views that share it; of the same on the same the later stays.

        Parameters
        ----------
        intervention : Intervention

        Returns
        -------
        Steered
            What comes next under all that are in the list.

        Raises
        ------
        TypeError, ValueError
            For what is no intervention, or none of this model, or a view without a model and one prompt.
        """
        if not isinstance(intervention, Intervention):
            raise TypeError(f"Expected an intervention such as steering.ScaleHead(3, 1), got {intervention!r:.60}.")
        finished(self._intervene(intervention))
        found = self._list.found if self._list is not None else None
        assert found is not None
        return found

    # -- what a view says of itself

    def compared(self) -> dict[str, Any]:
        """Return the tokens that the view compares, as `answer` and `versus`; {} where it compares none."""
        return {}

    def other_prompt(self) -> str | None:
        """Return the prompt whose activations can be put in the place of this one's; None where there is none."""
        return None

    # -- asked by the browser

    def answer_intervene(
        self,
        site: str,
        layer: int,
        how: str,
        index: int | None = None,
        position: int | None = None,
        strength: float | None = None,
    ) -> LongAnswer:
        """Change what is selected: `how` is "scale", "clamp" (to `strength`), "zero", "freeze" or "patch".

        `site`: a head, an MLP, a neuron, or the residual stream; `index` its head or neuron, `position` the only one
        that is changed.
        """
        layer = operator.index(layer)
        at: Any = "all" if position is None else (operator.index(position), operator.index(position) + 1)
        one: Intervention
        if (site, how) == ("head", "scale"):
            one = ScaleHead(layer, _index(index), _number(strength), at)
        elif (site, how) == ("mlp", "scale"):
            one = ScaleMLP(layer, _number(strength), at)
        elif (site, how) == ("neuron", "clamp"):
            one = ClampNeuron(layer, _index(index), _number(strength), at)
        elif site in ("head", "residual") and how in ("zero", "freeze", "patch"):
            head = _index(index) if site == "head" else None
            label = {"zero": "zero", "freeze": "freeze", "patch": "corrupted"}[how]
            one = PatchActivation(layer, 0.0, head, positions=at, label=label)
            if how != "zero":
                one = yield from self._with_values(one, how)
        else:
            raise ValueError(f"A {str(site)[:20]} cannot be changed by {str(how)[:20]!r}.")
        return (yield from self._intervene(one))

    def answer_withdraw(self, key: str) -> LongAnswer:
        """Take an intervention out of the list."""
        if self._list is not None:
            yield from self._list.put(without(key))
        return {}, []

    def answer_undo_intervention(self) -> LongAnswer:
        """Take back the last change of the list."""
        if self._list is not None:
            yield from self._list.undo()
        return {}, []

    def answer_interventions_code(self) -> Answer:
        """Return Python lines that make the session of now, in a kernel that has the model."""
        session = self.session
        return {"text": "" if session is None else session.code()}, []

    # -- inside

    def follow_interventions(self) -> None:
        """Show the list as it is now."""
        shared = self._list
        with self.hold_sync():
            self.can_intervene = shared is not None or self._is_of_one_prompt()
            self.intervened = {} if shared is None else _told(shared)

    def begin_interventions(self) -> None:
        """Look for those of the selection, once it is known what the view is of.

        Raises
        ------
        ValueError
            For a session of a model of other sizes than that of the view.
        """
        own = self.intervenes_on()
        if self._given_list and self._list is not None and own is not None:
            here, there = own[0], self._list.session.scope
            if (here.n_layers, here.n_heads) != (there.n_layers, there.n_heads):
                raise ValueError(
                    f"session= is of {there.model_id}, {there.n_layers} layers of {there.n_heads} heads, and this view "
                    f"of {here.model_id}, {here.n_layers} of {here.n_heads}: give a session of the same model."
                )
        share_lists(self.selection)
        self.follow_interventions()

    def beside(self) -> list[PromptFollower]:
        """Return the list, where no panel among the views that show it carries it to another prompt."""
        shared = self._list
        if shared is None or not shared.rows or shared.in_panel:
            return []
        return [shared]

    def take(self, *args: Any) -> None:
        """Show what was made of a prompt, and the interventions on that."""
        super().take(*args)
        self.begin_interventions()

    def close(self) -> None:
        """Remove the view from the notebook."""
        if self._list is not None:
            self._list.leave(self)
        super().close()

    def _is_of_one_prompt(self) -> bool:
        own = self.intervenes_on()
        return own is not None and own[1] is not None

    def _intervene(self, one: Intervention) -> LongAnswer:
        change = with_intervention(one, one.strength)
        while (shared := self._list) is None:
            own = self.intervenes_on()
            shared = yield from self._new_list()
            yield from shared.put(change)
            if self._list is None and self.intervenes_on() == own:
                self.share(shared)
                share_lists(self.selection)
                return {}, []
            # else there is another list by now, or another prompt
        yield from shared.put(change)
        return {}, []

    def _new_list(self) -> Steps[SharedInterventions]:
        own = self.intervenes_on()
        if own is None or own[1] is None:
            raise ValueError("There is no model with one prompt here to intervene on: give the view a session=.")
        scope, prompt = own[0], str(own[1])
        views = [self, *(view for view in self.selection.views() if isinstance(view, Intervening) and view is not self)]
        compared = next((found for view in views if view.intervenes_on() == own and (found := view.compared())), {})
        session = yield from Session.submit_new(scope, prompt, **compared).follow()
        return SharedInterventions.of(session)

    def _with_values(self, one: PatchActivation, how: str) -> Steps[PatchActivation]:
        shared, own = self._list, self.intervenes_on()
        scope, prompt = (shared.session.scope, shared.session.prompt) if shared is not None else own or (None, None)
        source = prompt if how == "freeze" else self.other_prompt()
        if scope is None or source is None:
            raise ValueError("There is no other prompt here whose values could be put in place.")
        one.check(scope)
        values = yield from submit(activation_values, scope, source, one.layer, one.head).follow()
        return one.with_values(values.numpy(), source)


def _told(shared: SharedInterventions) -> dict[str, Any]:
    """Return what the browser is told: rows, their effect ({} while it is not known), the tokens that are compared."""
    session = shared.session
    return {
        "rows": described(shared.rows, len(session.token_ids)),
        "effect": effect_of(shared.found) if shared.rows else {},
        "answers": token_texts(session.scope.tokenizer, list(session.answers or ())),
        "can_undo": shared.can_undo,
    }


def _index(index: int | None) -> int:
    if index is None:
        raise ValueError("Which head or neuron is not said.")
    return operator.index(index)


def _number(strength: float | None) -> float:
    return float(read_strength(strength))
