"""What the words of the views mean: one table with sources, for `?`, for the headers of columns and for captions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Definition(NamedTuple):
    """A word of a view.

    Attributes
    ----------
    term : str
    meaning : str
        A sentence or two.
    formula : str
        As the docstring of the function that computes it has it; empty where the sentence says it.
    source : str
        Papers by name and year, or "a convention"; empty where it is nobody's.
    """

    term: str
    meaning: str
    formula: str = ""
    source: str = ""

    def text(self) -> str:
        """Return meaning and source as one text."""
        return f"{self.meaning.rstrip('.')} ({self.source})." if self.source else self.meaning


_WANG, _ELHAGE, _OLSSON = "Wang et al. 2022", "Elhage et al. 2021", "Olsson et al. 2022"
_KL = "Kullback and Leibler 1951"

#: key -> definition; the key of a column is its name
DEFINITIONS: dict[str, Definition] = {
    # attention
    "attention": Definition(
        "attention weight",
        "How much of a head's output at the query comes from the value at the key: from 0 to 1, a query's weights "
        "over itself and earlier tokens sum to 1 (less where a model has a sink). It says where a head looks, not "
        "what it does.",
        "A[query, key] = softmax over keys of q·k",
        _ELHAGE,
    ),
    "value_weighted": Definition(
        "value-weighted attention",
        "The size of what a head writes at the query of the key: attention times the norm of the key's value after the "
        "output matrix. Attention to a token whose value is next to nothing, the first one most often, vanishes. Rows "
        "do not sum to 1: their size is that of what is written.",
        "A[query, key] · ||v_key W_O||",
        "Kobayashi et al. 2020",
    ),
    "head_writes": Definition(
        "writes at",
        "How much a head adds to each token's logit by what it writes at this position, the scale of the final norm "
        "held as it was, less the mean over the vocabulary. Directly: what later layers make of it is not in it.",
        "<w / scale of the final norm, W_U[token]> − mean",
        f"direct logit attribution, {_ELHAGE}",
    ),
    "ov_tokens": Definition(
        "OV of a token",
        "The logits of what the head would write if it attended to this token alone, less their mean: by weights, "
        "without the prompt. Layer 0 reads the bare embedding, heads above what leaves block 0 of the token alone.",
        "stream of the token · W_V W_O, final norm, W_U",
        f"{_ELHAGE}; {_WANG}, 3.1",
    ),
    "qk_tokens": Definition(
        "QK of a token",
        "The scores of keys for this token as the query, before the softmax: by weights, without the prompt, of the "
        "same streams. Both stand at the same position: what rotary embedding or ALiBi make of a distance is left out.",
        "q(token) · k(key), scaled",
        _ELHAGE,
    ),
    "class": Definition(
        "letter of a class",
        "P previous token, I induction, D duplicate token, C current token, F first token, U uniform, by attention"
        " alone; N name mover, X subject suppressor, − negative name mover, S S-inhibition, B backup name mover, "
        "by their causal effects in IOI.",
        "",
        _WANG,
    ),
    "threshold": Definition(
        "threshold",
        "The score from which on a head gets a class: 0.4 for shares of attention, 0.95 for uniform. A convention,"
        " not a finding.",
    ),
    "null": Definition(
        "null p",
        "The share of draws, with tokens shuffled or keys drawn at random, in which a head scores at least as much"
        " as it does.",
    ),
    # statistics of heads
    "entropy": Definition("entropy", "Mean over queries of -sum A ln A, in nats.", "-sum_k A ln A in nats"),
    "normalised_entropy": Definition(
        "normalised entropy",
        "Entropy of each query divided by ln(q + 1), its largest possible value; 1 is uniform.",
        "the same over ln(number of keys that q sees), where it sees several",
    ),
    "previous_token": Definition(
        "previous token",
        "Mean attention from each token to the one before it.",
        "A[q, q - 1], q >= 1",
        f"{_WANG}, appendix H",
    ),
    "current_token": Definition("current token", "Mean attention from each token to itself.", "A[q, q]"),
    "first_token": Definition("first token", "Mean attention to the first token.", "A[q, 0], q >= 1"),
    "duplicate_token": Definition(
        "duplicate token",
        "Mean attention to earlier copies of the same token.",
        "sum of A to the earlier tokens that equal token q, where there are any",
        "TransformerLens",
    ),
    "induction": Definition(
        "induction",
        "Mean attention to the tokens that followed earlier copies of this one.",
        "sum of A to the tokens right after those",
        _OLSSON,
    ),
    "sparsity": Definition(
        "sparsity", "Share of the pattern with an attention below 0.01.", "share of all causal entries with A < 0.01"
    ),
    # heads of IOI
    "effect": Definition(
        "effect",
        "Share of the logit difference that is lost when the path is patched with the activation of a prompt of "
        "other names (negative: gained), with its 95 % interval as a whisker.",
        "",
        f"path patching, {_WANG}",
    ),
    "p": Definition(
        "p",
        "How often an effect at least this large is found where there is none; of IOI heads corrected for all "
        "heads tested.",
    ),
    "p_corrected": Definition("p corrected", "The same, corrected for all heads that were tested.", "", "Holm 1979"),
    "path": Definition("path", "The path that was patched."),
    "found": Definition("found", 'Whether the head passes every condition; "why not" says which it does not.'),
    "why_not": Definition("why not", "The conditions that the head does not pass, each beside its limit."),
    "different": Definition(
        "different",
        "Whether the corrected p is below the level of the test; p alone is not corrected for all heads.",
    ),
    "reads": Definition(
        "reads",
        "The name whose exchange for another takes the effect away, and the position at which the head reads it.",
    ),
    "share": Definition(
        "share", "How much of the effect is lost when the head reads another name in place of this one."
    ),
    "share_there": Definition(
        "share there", "How much of the effect is lost with what it reads at that position alone."
    ),
    "signature": Definition("signature", "From the position of the path to the role that the head attends to most."),
    "elsewhere": Definition(
        "elsewhere", "Attention to a position that has no role: what a head that looks around at random would show."
    ),
    "copying": Definition(
        "copying",
        "Share of names that the head's output and value matrices bring to the top 5.",
        "",
        f"{_WANG}, 3.1",
    ),
    "negative_copying": Definition(
        "negative copying", "The same with the matrices' negative: what the head takes away."
    ),
    "strips": Definition(
        "attention over the prompt",
        "Attention of the head over the first prompt, one box a token, from the framed one: the position at which "
        "its class is at work, such as END. In steps of 0.4 %.",
    ),
    # patching
    "patching": Definition(
        "effect of patching",
        "One activation of the source run is put into the base run: 0, the metric stays as it was; 1, it becomes "
        "that of the source; below 0 and above 1 there is more to it than this one path.",
        "(m(patched) - m(base)) / (m(source) - m(base))",
        "Vig et al. 2020; Meng et al. 2022",
    ),
    "logit_difference": Definition(
        "logit difference",
        "Logit of the right answer minus that of the wrong one, at the last position: how much more the model is "
        "for it.",
        "logit(answer) - logit(versus)",
        _WANG,
    ),
    "estimate": Definition(
        "estimate",
        "What a gradient says that the effect would be: pale, with a dot. It may be wrong where the model is "
        "curved; cells that were run are solid.",
        "(a_source - a_base) · dm/da at the base run",
        "attribution patching, Nanda 2023",
    ),
    "sums": Definition(
        "sums beside the map",
        "Bars of the sum of each row and column, the longest as long as is written beside them. Effects do not add"
        " up to the whole: activations overlap.",
    ),
    "undefined": Definition(
        "hatched",
        "Undefined: source and base run differ by no more than rounding, so that there is nothing to divide by.",
    ),
    "contribution": Definition(
        "contribution",
        "What a part writes directly to the logit difference, the final norm's scale held as it was; the parts sum"
        " to it, but for the residue that is shown.",
        "<part / scale of the final norm, W_U[answer] - W_U[versus]>",
        f"direct logit attribution, {_ELHAGE}",
    ),
    "running_total": Definition(
        "running total",
        "The contributions so far, in the order in which a forward adds them: the embedding, then of each layer "
        "attention and MLP; the last is the logit difference itself. It is no logit lens: the scale of the final norm "
        "is that of the end throughout.",
        "sum of the contributions up to here",
        "",
    ),
    "neuron": Definition(
        "neuron",
        "One input of an MLP's last matrix. It writes its activation times its row of that matrix; neurons and biases "
        "together are the MLP's contribution.",
        "<activation · W_out row / scales of norms, W_U[answer] - W_U[versus]>",
        "Geva et al. 2022",
    ),
    "frozen_scale": Definition(
        "scale held",
        "The final norm divides by one number that depends on all parts together; it is held as it was, so that parts "
        "add up. What a part does to that number, and to what later parts read, is not in its contribution.",
        "",
        _ELHAGE,
    ),
    # lenses
    "logit_lens": Definition(
        "logit lens",
        "The final norm and the unembedding applied to the residual stream that enters each layer: what the model "
        "would say if it stopped there.",
        "",
        "nostalgebraist 2020",
    ),
    "lens_entropy": Definition(
        "entropy of a cell", "How undecided the distribution over the next token is, in nats; 0 is sure.", "-sum p ln p"
    ),
    "lens_kl": Definition(
        "KL divergence of a cell",
        "How much is lost, in nats, when the layer's distribution stands for the model's own; 0 where they are equal.",
        "KL(output || layer) = sum p_output ln(p_output / p_layer)",
        _KL,
    ),
    "rank": Definition("rank", "1 and the number of tokens that are likelier: 1 is the top token."),
    "settled": Definition("line in the map", "Above it the top token is that of the output, up to the output itself."),
    # tokens
    "token_loss": Definition(
        "loss",
        "How surprised the model was by the token: its cross-entropy given the tokens before it, in nats; 0 is sure. "
        "Nothing precedes the first token, which has none.",
        "-ln p(token | tokens before)",
    ),
    "token_probability": Definition(
        "probability", "What the model gave the token, given those before it.", "p(token | tokens before)"
    ),
    "token_entropy": Definition(
        "entropy before a token",
        "How undecided the model was before it saw the token, in nats: a loss above it is a surprise.",
        "-sum p ln p",
    ),
    "expected_token": Definition("expected token", "The likeliest token in this place, and its probability."),
    "residual_norm": Definition(
        "residual norm", "The Euclidean length of the residual stream at the token, where it enters the layer.", "||x||"
    ),
    "neuron_activation": Definition(
        "neuron",
        "What the last matrix of the MLP gets from the neuron at the token: layer.number.",
        "",
        "Geva et al. 2022",
    ),
    "latent_activation": Definition(
        "latent",
        "How strongly a latent of a sparse autoencoder fires on the token; 0 where it does not. Of an example of an "
        "index only the number of its own token is kept, and which others it fires on: these are hatched.",
        "",
        "Bricken et al. 2023",
    ),
    "token_colour": Definition(
        "colour of a token",
        "Its number on the scale of the legend: from the ground up, or with 0 in the middle where some are below it. "
        "What lies beyond the ends has a line below it; hatched tokens have no number.",
    ),
    # circuits
    "node": Definition(
        "node and edge",
        "Circles are heads (layer.head), squares MLPs, boxes embeddings and logits. An edge carries what one "
        "writes into what another reads: a head's query, key or value, an MLP's input, or the logits.",
        "",
        _ELHAGE,
    ),
    "score": Definition(
        "score of an edge",
        "How much of the metric is lost when the edge carries what it carries on the corrupted prompt. Red: it "
        "helps; blue: it hurts.",
        "sum (z_sender corrupted - z_sender) · dm/d(input of receiver)",
        "Syed et al. 2023; averaged over inputs, Hanna et al. 2024",
    ),
    "width": Definition("width of an edge", "The size of its score, from thin to thick, on the scale of the colours."),
    "size": Definition(
        "size of a node",
        "The sum of the sizes of the scores of its edges that are drawn; in figures made by Python all nodes are "
        "alike. Small dots are not in the circuit.",
    ),
    "faithfulness": Definition(
        "faithfulness",
        "How much of the metric the circuit keeps when it is run alone: 1 as the whole model, 0 as no edges.",
        "(m(C) - m(empty)) / (m(M) - m(empty))",
        f"{_WANG}; normalised, Mueller et al. 2025",
    ),
    "ablation": Definition(
        "ablation",
        "What an edge that is out carries: the corrupted prompt's value (counterfactual), a mean, or 0. The choice"
        " alone can move faithfulness from below 0 to above 1.",
    ),
    "random": Definition(
        "random circuits", "Circuits of as many edges, drawn at random: what faithfulness means beside them."
    ),
    # steering
    "strength": Definition(
        "strength",
        "Of a direction: how much of it is added to the residual stream, in units of its typical norm in that "
        "layer. Of a head: what its output is multiplied by. Of a neuron: its value. Of a latent: its activation, or "
        "(scale) what that is multiplied by. The tick is where nothing happens.",
        "",
        "Turner et al. 2023",
    ),
    "intervention": Definition(
        "ablate, scale, freeze, corrupted",
        "Ablate: zero in the place of a head's output (z), a neuron or the residual stream. Scale: a head's output "
        "times a number. Hold at: a neuron has this value at all positions. Freeze: it stays what it is on this "
        "prompt, whatever acts before it. Corrupted: it is what it is on the corrupted prompt. The numbers are of all "
        "that acts together, beside the model as it is.",
        "",
        "Wang et al. 2022; Vig et al. 2020",
    ),
    "orders_of_heads": Definition(
        "attribution, ablation, patching",
        "Three questions, and so three orders of heads. Attribution: what a part itself writes to the answer's logit. "
        "Ablation: what changes when it is taken out and all later parts react. Patching: how much of the answer "
        "its value from another prompt carries. A head that writes little may steer one that writes much, and "
        "others may stand in for one that is out.",
        "",
        f"{_WANG}; McGrath et al. 2023",
    ),
    "typical": Definition(
        "shaded range",
        "The length with which a direction was found, to both sides: what is usual in the prompts behind it.",
    ),
    "kl": Definition(
        "KL divergence",
        "How far the steered distribution q over the next token is from the unsteered one p, in nats; 0: nothing "
        "changed.",
        "sum p ln(p / q)",
        _KL,
    ),
    "fluent": Definition(
        "fluent range",
        "Strengths around the neutral one at which the steered model's loss on the unsteered continuation exceeds "
        "the unsteered model's by no more than the limit that is shown, in nats a token.",
    ),
    # latents
    "latent_rate": Definition(
        "rate", "The share of the tokens of the index on which a latent's activation is above 0.", "", "a convention"
    ),
    "latent_mean": Definition(
        "mean, max",
        "The mean activation over the tokens on which the latent fires, and the largest one, in the units of the "
        "autoencoder's own activations.",
    ),
    "latent_score": Definition(
        "score of a label",
        "Detection: the balanced accuracy of saying, by the label alone, in which passages that it was not made from "
        "the latent fires. Chance, and the mean of other latents' labels (null), stand near .5.",
        "(share right where it fires + share right where it does not) / 2",
        "Paulo et al. 2024",
    ),
    "latent_dead": Definition(
        "dead", "A latent that fired on none of the tokens of the index; on other texts it may.", "", "a convention"
    ),
    "latent_token": Definition(
        "tokens it fires on",
        "Tokens on which a latent fires more often than on others, with the share of its activations that are on them.",
        "sorted by count · ln(lift)",
    ),
    "latent_promotes": Definition(
        "promotes, suppresses",
        "Logits that an activation of 1 adds to tokens through the unembedding, on a residual stream of mean square 1: "
        "by weights, without what later layers make of it.",
        "<decoder row, W_U[token]>",
        "nostalgebraist 2020; Bricken et al. 2023",
    ),
    "latent_neighbours": Definition(
        "nearest decoder rows", "The latents that write in the most similar directions.", "cosine of decoder rows"
    ),
    "latent_partners": Definition(
        "fires with",
        "The latents that fire on most of the same tokens: the share of this latent's tokens, and how many times more "
        "often than on all tokens (lift).",
        "lift = P(other | this) / P(other)",
    ),
    "latent_parents": Definition(
        "why it fires",
        "What makes the latent fire: the fall of its activation when an earlier latent, head or MLP is ablated, the "
        "later parents held (exact), with its 95 % interval, p that a random direction of the same norm does as much, "
        "and what such directions do on average (null). The estimate, activation times gradient, chose what is "
        "ablated. What is held to be a parent does enough, and more than the null.",
        "activation - activation with the parent ablated",
        "Marks et al. 2024",
    ),
    "latent_quarters": Definition(
        "quarters",
        "Beside the strongest examples, some drawn at random from each quarter of the latent's activations: what it is "
        "about must hold there too. No two examples are of one text, or end in the same tokens.",
        "",
        "Bricken et al. 2023",
    ),
    # the stack of heads
    "stack": Definition(
        "stack of heads",
        "A slice a head, its causal triangle: query down, key to the right. Layer by layer, the first in front; "
        "spread, the heads of a layer stand side by side, and layers on top of each other. What is behind is not "
        "smaller: all slices are drawn in one size, as if from far away.",
        "parallel projection",
    ),
    "stack_hidden": Definition(
        "hidden heads",
        "Heads of which no pixel can be seen from here, since others stand in front of them. Cells below the threshold "
        "are clear, so that what is behind shows. Of a head that is seen in part, cells may be hidden still.",
    ),
    # projections
    "projection": Definition(
        "projection",
        "A picture in the plane of points that have many dimensions. PCA keeps the two directions of the largest "
        "variance; UMAP and t-SNE keep neighbours near and let the rest go, and their pictures change with the seed.",
        "",
        "Pearson 1901; McInnes et al. 2018; van der Maaten and Hinton 2008",
    ),
    "neighbours_kept": Definition(
        "neighbours kept",
        "The share of each point's nearest neighbours in all dimensions that are among as many nearest in the picture, "
        "averaged over points. At random it is their number over that of all other points.",
        "mean over points of |nearest in all dimensions ∩ nearest in the plane| / k",
        "Venna and Kaski 2006",
    ),
    "projected_distance": Definition(
        "distance in the picture",
        "How far apart points are drawn. Of PCA it is at most the true distance (in units of the axes); of UMAP and "
        "t-SNE distances between groups, and sizes of groups, say next to nothing.",
        "",
        "Wattenberg et al. 2016",
    ),
    "procrustes": Definition(
        "layers, aligned",
        "The picture of each layer is centred, scaled to one size, and turned or mirrored onto that of the layer "
        "before, so that a point can be followed. Sizes and directions say nothing between layers.",
        "R = U Vᵀ of the singular values of Xᵀ Y",
        "Schönemann 1966",
    ),
}


def defined(keys: Iterable[str]) -> list[list[str]]:
    """Return what the browser is told: [term, meaning, formula, source] of each key that is known."""
    return [list(DEFINITIONS[key]) for key in keys if key in DEFINITIONS]
