"""Write small autoencoders with SAELens and sparsify, and what those compute with them: tests/fixtures/saes.

In an environment of its own (`pip install sae-lens eai-sparsify`): `python write_saes.py FOLDER`.
"""

import sys
from pathlib import Path

import torch
from sae_lens.saes import gated_sae, jumprelu_sae, standard_sae, topk_sae, transcoder
from sae_lens.saes.sae import SAEMetadata
from safetensors.torch import save_file
from sparsify import SparseCoder, SparseCoderConfig

OUT = Path(sys.argv[1])
WIDTH, LATENTS = 12, 40
METADATA = {"model_name": "gpt2", "hook_name": "blocks.3.hook_resid_post"}


def fill(sae):
    with torch.no_grad():
        for name, one in sae.named_parameters():
            one.copy_(torch.rand_like(one) * 0.8 if "threshold" in name else torch.randn_like(one) * 0.5)


def expect(name, x, latents, reconstruction):
    tensors = {"x": x.clone(), "z": latents.contiguous(), "y": reconstruction.contiguous()}
    save_file(tensors, str(OUT / name / "expected.safetensors"))


@torch.no_grad()
def write_saelens(name, module, kind, x, **options):
    config = getattr(module, f"{kind}Config")(d_in=WIDTH, d_sae=LATENTS, **options)
    sae = getattr(module, kind)(config)
    fill(sae)
    sae.cfg.metadata = SAEMetadata(**METADATA)
    sae.save_model(str(OUT / name))
    latents = sae.encode(x)
    expect(name, x, latents.to_dense() if latents.is_sparse else latents, sae(x))


@torch.no_grad()
def write_sparsify(transcode, skip, x):
    config = SparseCoderConfig(num_latents=LATENTS, k=5, transcode=transcode, skip_connection=skip)
    sae = SparseCoder(WIDTH, config, device="cpu")
    fill(sae)
    name = f"sparsify_{transcode}_{skip}"
    sae.save_to_disk(OUT / name)
    found = sae(x)
    latents = torch.zeros(len(x), LATENTS).scatter_(1, found.latent_indices, found.latent_acts)
    expect(name, x, latents, found.sae_out)


def main():
    torch.manual_seed(0)
    x = torch.randn(64, WIDTH) * 2 + 0.3
    for taken_off in (True, False):
        write_saelens(f"standard_{taken_off}", standard_sae, "StandardSAE", x, apply_b_dec_to_input=taken_off)
    for rescaled in (False, True):
        write_saelens(f"topk_{rescaled}", topk_sae, "TopKSAE", x, k=5, rescale_acts_by_decoder_norm=rescaled)
    write_saelens("jumprelu", jumprelu_sae, "JumpReLUSAE", x)
    write_saelens("gated", gated_sae, "GatedSAE", x)
    for norm in ("layer_norm", "constant_norm_rescale", "expected_average_only_in"):
        write_saelens(f"standard_{norm}", standard_sae, "StandardSAE", x, normalize_activations=norm)
    for kind in ("Transcoder", "SkipTranscoder", "JumpReLUTranscoder", "JumpReLUSkipTranscoder"):
        d_out = WIDTH if "Skip" in kind else WIDTH - 2
        write_saelens(kind.lower(), transcoder, kind, x, d_out=d_out, apply_b_dec_to_input=False)
    for transcode, skip in ((False, False), (True, False), (True, True)):
        write_sparsify(transcode, skip, x)


main()
