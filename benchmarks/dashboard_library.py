"""SAEDashboard's half of benchmarks/dashboards.py, run by the interpreter that has it; prints JSON.

Its arguments are numbers: latents, samples, their tokens, width, layer, latents that fire, latents of a batch, threads.
"""

import json
import sys
import time

import torch
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner
from sae_lens import HookedSAETransformer, JumpReLUSAE, JumpReLUSAEConfig
from transformer_lens import HookedTransformerConfig

n_latents, n_samples, length, width, layer, fire, batch, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(0)
model = HookedSAETransformer(
    HookedTransformerConfig(
        n_layers=12,
        d_model=width,
        n_ctx=1024,
        d_head=64,
        n_heads=width // 64,
        d_mlp=4 * width,
        d_vocab=50257,
        act_fn="gelu_new",
        normalization_type="LNPre",
    )
)
hook = f"blocks.{layer}.hook_resid_pre"
config = JumpReLUSAEConfig(d_in=width, d_sae=n_latents, dtype="float32", device="cpu")
config.metadata.hook_name = hook
sae = JumpReLUSAE(config)
tokens = torch.randint(5, 700, (n_samples, length), generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    sae.W_dec.copy_(torch.nn.functional.normalize(torch.randn(n_latents, width), dim=1))
    sae.W_enc.copy_(sae.W_dec.T)
    sae.b_enc.zero_()
    sae.b_dec.zero_()
    _, cache = model.run_with_cache(tokens[:4], names_filter=hook, stop_at_layer=layer + 1)
    scores = cache[hook].reshape(-1, width) @ sae.W_enc
    threshold = scores.flatten()[::37].quantile(1 - fire / n_latents)
    sae.threshold.fill_(float(threshold))
settings = SaeVisConfig(
    hook_point=hook,
    features=list(range(batch)),
    minibatch_size_features=batch,
    device="cpu",
    dtype="float32",
)
start = time.perf_counter()
SaeVisRunner(settings).run(encoder=sae, model=model, tokens=tokens)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "l0": float((scores > threshold).sum(1).float().mean())}))
