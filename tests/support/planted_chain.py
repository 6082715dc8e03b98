"""A GPT-2 whose MLPs hand a feature on, x > u > m > j, one layer after the other, and autoencoders whose latents are
its features; other features are there, and other MLP units, that have nothing to do with j.
"""

import torch
import transformers as hf

from scope_widgets import Microscope, features
from tests.support.tiny_models import VOCAB, tiny_tokenizer

X, U, M, J = range(4)
WIDTH, FEATURES, SIZE = 64, 28, 30.0
#: words of which each has x, more or less
CAUSES = list(range(3, 23))


def planted(seed=0):
    """Make the model."""
    config = hf.GPT2Config(
        vocab_size=VOCAB, n_embd=WIDTH, n_layer=3, n_head=4, n_positions=16, n_inner=16, activation_function="relu",
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
        wte[CAUSES, X] = 0.5 + torch.rand(len(CAUSES), generator=noise)
        others = torch.rand(VOCAB, 12, generator=noise)
        wte[:, 4:16] = others * (torch.rand(VOCAB, 12, generator=noise) < 0.3)
        for layer, block in enumerate(model.transformer.h):
            block.mlp.c_fc.weight[layer, 0] = scale  # x, u or m ...
            block.mlp.c_proj.weight[0, layer + 1] = 1.0  # ... makes u, m or j
            for unit in range(1, 5):  # what nobody reads again
                block.mlp.c_fc.weight[3 + unit + 4 * layer, unit] = scale
                block.mlp.c_proj.weight[unit, 15 + unit + 4 * layer] = 1.0
        model.lm_head.weight[:, J] = torch.randn(VOCAB, generator=noise)
    return Microscope.for_model(model, tiny_tokenizer())


def true_sae(layer, extra=0):
    """Make the autoencoder whose latents are the features, and some that never fire."""
    rows = torch.cat([torch.eye(WIDTH)[:FEATURES], torch.zeros(extra, WIDTH)])
    constant = torch.zeros(WIDTH)
    constant[-1], constant[-2] = SIZE, -SIZE
    return features.SAE(rows.T.contiguous(), rows, torch.zeros(len(rows)), constant, layer=layer)


def random_sae(layer, seed=0, n=64):
    """Make an autoencoder of random directions."""
    noise = torch.Generator().manual_seed(100 + seed + layer)
    rows = torch.nn.functional.normalize(torch.randn(n, WIDTH, generator=noise), dim=1)
    constant = true_sae(layer).b_dec
    return features.SAE(rows.T.contiguous(), rows, torch.full((n,), -0.3), constant, layer=layer)


def prompts(n=12, length=6, seed=1):
    """Make prompts of random words, in each of which a word of `CAUSES` stands."""
    noise = torch.Generator().manual_seed(seed)
    rows = torch.randint(23, VOCAB, (n, length), generator=noise)
    rows[torch.arange(n), torch.randint(length, (n,), generator=noise)] = torch.tensor(CAUSES)[:n]
    return rows.tolist()
