"""Train the small demo model that ships in the package.

Run in the checkout::

    python -m scripts.train_demo_model --out scope_widgets/models/demo

With the defaults it makes the weights that are shipped: the same bytes with the same processor and versions, else
weights of much the same figures. It uses one thread, so that the order of the sums does not depend on the machine's
cores; two threads of a busy machine are slower besides. The text is made up on the fly by ``demo_language``; nothing
is downloaded.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from scripts import demo_language as language
from scripts.round_weights import round_file

CONTEXT = 256
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(len(language.SPECIAL_TOKENS))
#: a word is now and then replaced by <unk>, so that a user's unknown word does not derail the model
UNK_RATE = 0.01
#: share of the texts that begin with <bos>, as the tokenizer writes it
BOS_RATE = 0.9
#: share of the repeated sequences that are made of few words, each of them several times in the block: there it is
#: not enough to know roughly which words came before, so that the previous-token head becomes a sharp one
FEW_WORDS_RATE = 0.4
#: share of the sentences with names in which other words are changed at random
NOISY_RATE = 0.5
#: the first heads of the last layer, so many, are to be the name movers
NAME_MOVERS = 2
#: this head of the layer before is to be the S-inhibition head
S_INHIBITION = 2
#: what a logit costs that is written by a shortcut, and how strong the nudge is at first (see ``names_loss``)
SHORTCUT_COST = 0.2
NUDGE = 0.2
#: below this loss on the repeated sequences they grow
GROWING_LOSS = 1.5


@dataclass(frozen=True)
class Example:
    """Token ids, and the weight of each token in the loss (0: not foretellable, left out).

    In a sentence with a choice between two names, ``end`` is the position before the answer, ``answer`` the position
    where the answer stands first, ``subject`` the id of the other name and ``second`` where it stands last.
    """

    ids: list[int]
    weights: list[float]
    end: int = 0
    answer: int = 0
    subject: int = 0
    second: int = 0


def make_tokenizer(vocabulary: Sequence[str]) -> PreTrainedTokenizerFast:
    """Build the word-level tokenizer; the ids are the positions in ``vocabulary``."""
    ids = {word: i for i, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=language.UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{language.BOS} $A",
        pair=f"{language.BOS} $A {language.BOS} $B",
        special_tokens=[(language.BOS, BOS_ID)],
    )
    # this decoder puts a blank before each word but not before punctuation; the prefix never occurs
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=language.BOS,
        eos_token=language.EOS,
        pad_token=language.PAD,
        unk_token=language.UNK,
        padding_side="right",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(folder: Path) -> None:
    """Save the tokenizer; its class goes by the name that every version of transformers knows."""
    make_tokenizer(language.vocabulary()).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.pop("backend", None)
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def make_model(vocabulary_size: int, args: argparse.Namespace) -> LlamaForCausalLM:
    """Build the untrained model: Llama, so that positions enter by rotation and only as differences."""
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=args.width,
        intermediate_size=args.mlp,
        num_hidden_layers=args.layers,
        num_attention_heads=args.heads,
        num_key_value_heads=args.heads,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": args.rope_theta},
        tie_word_embeddings=True,
        initializer_range=0.02,
        rms_norm_eps=1e-6,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
    )
    return LlamaForCausalLM(config)


class Batches:
    """Makes the batches of the three kinds of text.

    Parameters
    ----------
    rng : random.Random
        Where all the randomness comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ids = {word: i for i, word in enumerate(language.vocabulary())}
        self.name_ids = {self.ids[name] for name in language.NAMES}
        self.words = language.ordinary_words()
        rng.shuffle(self.words)
        #: the repeated sequences begin with few words, on which the heads form sooner
        self.known = 64

    def _encode(self, words: Sequence[str], keep: Container[int] = ()) -> list[int]:
        ids = [self.ids[word] for word in words]
        return [UNK_ID if self.rng.random() < UNK_RATE and i not in keep else i for i in ids]

    def _begin(self, ids: list[int], weights: list[float]) -> Example:
        if self.rng.random() < BOS_RATE:
            return Example([BOS_ID, *ids][:CONTEXT], [0.0, *weights][:CONTEXT])
        return Example(ids[:CONTEXT], weights[:CONTEXT])

    def repeats(self, n: int, length: int, few_words_rate: float) -> list[Example]:
        """Return sequences of random words with a repeated block, of ``length`` words each."""
        examples = []
        for _ in range(n):
            prefix = self.rng.randint(0, length // 4)
            longest = (length - prefix) // 2
            # mostly two or three runs of the block: with more, later runs can copy what earlier ones foretold
            shortest = 3 if self.rng.random() < 0.2 else 2 * longest // 3
            period = self.rng.randint(shortest, longest)
            source: Sequence[str] = self.words[: self.known]
            if self.rng.random() < few_words_rate:
                source = self.rng.sample(source, max(4, period // 2))
            words, start = language.repeated_sequence(self.rng, source, period, length, prefix)
            # random words cannot be foretold: only the repetition counts, otherwise no induction head forms
            weights = [0.0] * start + [1.0] * (length - start)
            examples.append(self._begin([self.ids[word] for word in words], weights))
        return examples

    def names(self, n: int) -> list[Example]:
        """Return sentences in which the right name must be found; its weight in the loss is the greatest."""
        examples = []
        for _ in range(n):
            kind = self.rng.random()
            if kind < 0.6:
                words, answer = language.ioi_text(self.rng)
            elif kind < 0.8:
                words, answer = language.story_text(self.rng)
            elif kind < 0.9:
                words, answer = language.triple_text(self.rng)
            else:
                words, answer = language.abc_text(self.rng)
            is_noisy = self.rng.random() < NOISY_RATE
            if is_noisy:
                words, answer = language.noisy(self.rng, words, answer, rate=self.rng.uniform(0.05, 0.4))
            ids = self._encode(words, keep=self.name_ids)
            weights = [0.0 if is_noisy else 0.1] * len(ids)
            weights[answer] = 3.0
            example = self._begin(ids, weights)
            if kind < 0.8:
                # the last name before the answer is the subject
                second = next(i for i in reversed(range(answer)) if ids[i] in self.name_ids)
                shift = len(example.ids) - len(ids)
                example = replace(
                    example,
                    end=answer - 1 + shift,
                    answer=ids.index(ids[answer]) + shift,
                    subject=ids[second],
                    second=second + shift,
                )
            examples.append(example)
        return examples

    def paragraphs(self, n: int, length: int) -> list[Example]:
        """Return paragraphs, cut at ``length``; each ends with <eos>."""
        examples = []
        for _ in range(n):
            ids = [*self._encode(language.paragraph(self.rng)), EOS_ID][:length]
            examples.append(self._begin(ids, [1.0] * len(ids)))
        return examples


def pad(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Pad examples on the right. No mask is needed: attention is causal and padding has no weight."""
    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), PAD_ID)
    weights = torch.zeros(len(examples), longest)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        weights[row, : len(example.weights)] = torch.tensor(example.weights)
    return ids, weights


def loss_of(model: LlamaForCausalLM, examples: Sequence[Example]) -> Tensor:
    """Return the weighted cross-entropy of the next word."""
    ids, weights = pad(examples)
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    return weighted_loss(model, hidden, ids, weights)


def weighted_loss(model: LlamaForCausalLM, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of the cross-entropy, given the last hidden states."""
    weights = weights[:, 1:]
    counted = weights > 0
    logits = model.lm_head(hidden[counted])
    losses = torch.nn.functional.cross_entropy(logits, ids[:, 1:][counted], reduction="none")
    return (losses * weights[counted]).sum() / weights[counted].sum()


class Tap:
    """Keeps what each head and each MLP wrote in the last run of a model, for ``shortcuts``."""

    def __init__(self, model: LlamaForCausalLM, name_ids: Sequence[int]) -> None:
        self.name_ids = list(name_ids)
        self.heads: dict[int, Tensor] = {}
        self.mlps: dict[int, Tensor] = {}
        self.residual = torch.empty(0)
        for i, layer in enumerate(model.model.layers):
            layer.self_attn.o_proj.register_forward_pre_hook(lambda _, args, i=i: self.heads.__setitem__(i, args[0]))
            layer.mlp.register_forward_hook(lambda _, __, output, i=i: self.mlps.__setitem__(i, output))
        model.model.norm.register_forward_pre_hook(lambda _, args: setattr(self, "residual", args[0]))


def names_loss(model: LlamaForCausalLM, tap: Tap, examples: Sequence[Example], nudge: float) -> Tensor:
    """Return the loss on sentences with names, with the two terms that keep the model from shortcuts.

    Left alone, a model of this size finds the answer by copying both names and then taking the subject away again,
    with heads that attend to the subject's second place and copy it negatively; or it spreads the work over all heads
    and the MLP of the last layer, so that none of them matters. Both are right, but neither is the circuit that this
    model is to show. So (1) to tell the names apart at the last position costs, for everything but the first heads
    of the last layer, and for them to do it negatively, and (2) these heads are nudged to attend to the answer, and a
    head of the layer before to the subject's second place: strongly at first, very little in the end. What the heads
    do with what they attend to is left to the model.
    """
    chosen = [i for i, example in enumerate(examples) if example.end]
    rows = torch.tensor(chosen)
    end, answer, subject, second = (
        torch.tensor([getattr(examples[i], name) for i in chosen]) for name in ("end", "answer", "subject", "second")
    )
    ids, weights = pad(examples)
    model.set_attn_implementation("eager")
    output = model.model(input_ids=ids[:, :-1], use_cache=False, output_attentions=True)
    model.set_attn_implementation("sdpa")
    loss: Tensor = weighted_loss(model, output.last_hidden_state, ids, weights)
    shortcut = shortcuts(model, tap, rows, end, subject, ids[rows, answer]).mean()
    to_answer: Tensor = output.attentions[-1][rows, :NAME_MOVERS, end, answer]
    to_second: Tensor = output.attentions[-2][rows, S_INHIBITION, end, second]
    attended = (to_answer + 1e-4).log().mean() + (to_second + 1e-4).log().mean()
    return loss + SHORTCUT_COST * shortcut - nudge * attended


def shortcuts(model: LlamaForCausalLM, tap: Tap, rows: Tensor, end: Tensor, subject: Tensor, other: Tensor) -> Tensor:
    """Return what is written at the last position other than by name movers, in logits and summed over its writers.

    What a head or an MLP writes is taken along the final norm and the unembedding of the two names. For the heads
    that are to be the name movers only what they write against the subject counts (compared with the names' mean).
    """
    norm, embedding = model.model.norm, model.model.embed_tokens.weight.detach()
    scale = norm.weight.detach() / tap.residual[rows, end].detach().pow(2).mean(-1, keepdim=True).sqrt()
    between_names = (embedding[other] - embedding[subject]) * scale
    to_subject = (embedding[subject] - embedding[tap.name_ids].mean(0)) * scale
    last = len(model.model.layers) - 1
    total = torch.zeros(len(rows))
    for i, layer in enumerate(model.model.layers):
        by_head = (-1, layer.self_attn.head_dim)
        out_weight = layer.self_attn.o_proj.weight
        written = torch.einsum(
            "bhd,ohd->bho",
            tap.heads[i][rows, end].reshape(len(rows), *by_head),
            out_weight.reshape(len(out_weight), *by_head),
        )
        movers = NAME_MOVERS if i == last else 0
        total = total - (written[:, :movers] * to_subject[:, None]).sum(-1).clamp(max=0).sum(1)
        total = total + (written[:, movers:] * between_names[:, None]).sum(-1).abs().sum(1)
        total = total + (tap.mlps[i][rows, end] * between_names).sum(-1).abs()
    return total


def learning_rate(step: int, steps: int, peak: float, warmup: int = 100) -> float:
    """Return the rate at a step: linear warm-up, then a cosine down to a fiftieth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))


class Curriculum:
    """Says what a step is trained on.

    It begins with short repeated sequences alone, on which the induction head forms fastest. They grow only as
    long as they are foretold well: to grow by the clock destroys a head that is just about to form. Sentences
    come when they have their full length; repeated sequences stay to the end.
    """

    def __init__(self, batches: Batches, growing_steps: int) -> None:
        self.batches = batches
        self.growth_per_step = 1 / growing_steps
        self.growth = 0.0
        self.loss = math.inf

    @property
    def grown(self) -> bool:
        """Whether the repeated sequences have their full length and sentences are mixed in."""
        return self.growth >= 1

    def next(self, step: int) -> list[list[Example]]:
        """Return the batches of a step, the repeated sequences first."""
        rng, batches = self.batches.rng, self.batches
        if not self.grown:
            length = 48 + int(80 * self.growth)
            rate = FEW_WORDS_RATE * self.growth
            return [batches.repeats(2560 // length, length, rate)]
        if step % 4 == 0:
            repeats = batches.repeats(8, CONTEXT - 1, FEW_WORDS_RATE)
        else:
            length = rng.randint(32, 128)
            repeats = batches.repeats(1024 // length, length, FEW_WORDS_RATE)
        return [repeats, batches.names(64), batches.paragraphs(16, 48)]

    def learn(self, loss: float) -> None:
        """Take note of the loss on the repeated sequences of a step."""
        self.loss = loss if math.isinf(self.loss) else 0.9 * self.loss + 0.1 * loss
        if not self.grown and self.loss < GROWING_LOSS:
            self.growth += self.growth_per_step
            self.batches.known = len(self.batches.words)


@torch.no_grad()
def head_scores(model: LlamaForCausalLM, batches: Batches, n: int = 8, period: int = 100) -> dict[str, Tensor]:
    """Return each head's previous-token, duplicate and induction score on repeated random words."""
    model.set_attn_implementation("eager")
    rng = random.Random("scores")
    blocks = [[batches.ids[word] for word in rng.choices(batches.words, k=period)] for _ in range(n)]
    ids = torch.tensor([[BOS_ID, *block, *block] for block in blocks])
    attention = torch.stack(model(input_ids=ids, output_attentions=True).attentions)
    model.set_attn_implementation("sdpa")

    def score(offset: int, first: int) -> Tensor:
        return attention.diagonal(-offset, dim1=-2, dim2=-1)[..., first - offset :].mean(dim=(1, 3))

    return {
        "previous": score(1, 1),
        "duplicate": score(period, period + 1),
        "induction": score(period - 1, period + 1),
    }


@torch.no_grad()
def ioi_accuracy(model: LlamaForCausalLM, batches: Batches, n: int = 300) -> tuple[float, float]:
    """Return the share of held-out prompts with the answer ranked first, and the mean logit difference."""
    prompts = language.held_out_ioi_prompts(n, seed=1)
    examples = [Example([BOS_ID, *(batches.ids[word] for word in p.words)], []) for p in prompts]
    logits = model(input_ids=pad(examples)[0]).logits
    last = logits[torch.arange(n), torch.tensor([len(e.ids) - 1 for e in examples])]
    io = torch.tensor([batches.ids[p.io] for p in prompts])
    s = torch.tensor([batches.ids[p.s] for p in prompts])
    difference = last.gather(1, io[:, None]) - last.gather(1, s[:, None])
    return (last.argmax(-1) == io).float().mean().item(), difference.mean().item()


def report(model: LlamaForCausalLM, batches: Batches) -> str:
    """Return a line with the figures that matter."""
    accuracy, difference = ioi_accuracy(model, batches)
    parts = [f"IOI {accuracy:.3f} ({difference:+.2f})"]
    for name, scores in head_scores(model, batches).items():
        layer, head = divmod(int(scores.argmax()), scores.shape[1])
        parts.append(f"{name} {layer}.{head} {scores.max():.2f}")
    return ", ".join(parts)


def train(args: argparse.Namespace) -> LlamaForCausalLM:
    """Train a model from nothing and return it."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    batches = Batches(random.Random(args.seed))
    model = make_model(len(batches.ids), args)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    scales = [p for p in model.parameters() if p.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": args.weight_decay},
        {"params": scales, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    tap = Tap(model, sorted(batches.name_ids))
    curriculum = Curriculum(batches, args.growing_steps)
    progress = tqdm(range(args.steps), mininterval=5)
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr)
        losses = []
        nudge = NUDGE * max(0.1, 1 - step / (0.6 * args.steps))
        for kind, examples in enumerate(curriculum.next(step)):
            loss = names_loss(model, tap, examples, nudge) if kind == 1 else loss_of(model, examples)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
        curriculum.learn(losses[0])
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        progress.set_postfix_str(" ".join(f"{loss:.2f}" for loss in losses), refresh=False)
        if (step + 1) % args.report_every == 0 or step + 1 == args.steps:
            shown = " ".join(f"{loss:.3f}" for loss in losses)
            tqdm.write(f"{step + 1}: grown {curriculum.growth:.2f}, loss {shown}, {report(model, batches)}")
            model.save_pretrained(args.out)
    return model


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, configuration and tokenizer")
    parser.add_argument("--steps", type=int, default=3300)
    parser.add_argument("--growing-steps", type=int, default=120, help="steps in which the repeated sequences grow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--mlp", type=int, default=256)
    parser.add_argument("--rope-theta", type=float, default=10_000.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report-every", type=int, default=200)
    return parser.parse_args()


def main() -> None:
    """Train and save."""
    args = parse_arguments()
    start = time.perf_counter()
    model = train(args)
    model.save_pretrained(args.out)
    round_file(args.out / "model.safetensors")
    save_tokenizer(args.out)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
