"""A GPT-2 of six layers whose weights are set by hand: block 2 writes a label of the whole prompt to its last token.

Words have the label or they have not, and so have they another one, which block 2 writes too and nothing reads. The
last token is the same in all prompts, so that before block 2 nothing there says which labels a prompt has.
"""

import numpy as np
import torch
import transformers as hf

from scope_widgets import Microscope
from tests.support.tiny_models import VOCAB, tiny_tokenizer

N_LAYERS, WRITES, WIDTH = 6, 2, 64
#: words: of each kind four, with and without the label and the unused one
KINDS = 12
WORDS = np.arange(3, 3 + 4 * KINDS).reshape(KINDS, 2, 2)
#: the last token; what the model says with the label, and without
LAST, ANSWER, VERSUS = 3 + 4 * KINDS, 4 + 4 * KINDS, 5 + 4 * KINDS
_LABEL, _UNUSED, _WRITTEN, _WRITTEN_UNUSED, SIZE = 0, 1, 2, 3, 30.0


def planted(seed=0):
    """Make the model."""
    config = hf.GPT2Config(
        vocab_size=VOCAB, n_embd=WIDTH, n_layer=N_LAYERS, n_head=4, n_positions=32, n_inner=16,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    noise = torch.Generator().manual_seed(seed)
    model = hf.GPT2LMHeadModel(config).eval()
    scale = SIZE * (2 / WIDTH) ** 0.5  # what the norms divide by, nearly
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0.0)
        wte = model.transformer.wte.weight
        wte[:, -1], wte[:, -2] = SIZE, -SIZE
        # what words are beside their labels says nothing of these: words of a kind have it in common
        wte[WORDS.ravel(), 4:44] = 0.5 * torch.randn(KINDS, 40, generator=noise).repeat_interleave(4, 0)
        wte[WORDS[:, 1].ravel(), _LABEL], wte[WORDS[:, 0].ravel(), _LABEL] = 1.0, -1.0
        wte[WORDS[:, :, 1].ravel(), _UNUSED], wte[WORDS[:, :, 0].ravel(), _UNUSED] = 1.0, -1.0
        wte[:, 60:62] = -wte[:, [_LABEL, _UNUSED]]  # the norms take the mean away, which must not know of labels
        # heads that attend to all tokens alike (queries and keys are 0) move what they see; MLPs write noise
        for layer, block in enumerate(model.transformer.h):
            block.mlp.c_fc.weight.normal_(std=0.5, generator=noise)
            block.mlp.c_proj.weight[:, 44:56].normal_(std=0.05, generator=noise)
            value, out = block.attn.c_attn.weight[:, 2 * WIDTH :], block.attn.c_proj.weight
            if layer == 0:
                value[4:16, 16:28], out[16:28, 4:16] = scale * torch.eye(12), 6 * torch.eye(12)
            if layer == WRITES:
                value[_LABEL, 0], value[_UNUSED, 1] = scale, scale
                out[0, _WRITTEN], out[1, _WRITTEN_UNUSED] = 3.0, 3.0
        model.lm_head.weight[:, 4:44] = 0.02 * torch.randn(VOCAB, 40, generator=noise)
        model.lm_head.weight[ANSWER, _WRITTEN], model.lm_head.weight[VERSUS, _WRITTEN] = 3 * scale, -3 * scale
    return Microscope.for_model(model, tiny_tokenizer())


def prompts(n=80, length=7, seed=0):
    """Return prompts, whether most of their words have the label, and whether most have the one that nothing reads."""
    rng = np.random.default_rng(seed)
    rows, labels, unused = [], [], []
    for at in range(n):
        kinds, label, other = (
            rng.integers(KINDS, size=length),
            rng.integers(2, size=length),
            rng.integers(2, size=length),
        )
        if (label.mean() > 0.5) != at % 2:  # as many with the label as without
            label = 1 - label
        rows.append([*WORDS[kinds, label, other].tolist(), LAST])
        labels.append(bool(label.mean() > 0.5))
        unused.append(bool(other.mean() > 0.5))
    return rows, labels, unused
