"""Read transcoders that were trained here with SAELens and sparsify, and compare what they compute.

Two processes, for these libraries have an environment of their own (`pip install sae-lens eai-sparsify`):

    python -m tests.support.read_transcoders_back write FOLDER
    PYTHON_OF_THE_LIBRARIES read_transcoders_back.py read FOLDER
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

ARCHITECTURES = ("batch_topk", "topk", "matryoshka", "jumprelu", "gated")
EXPECTED = "expected.safetensors"


def write(out):
    from scope_widgets import features

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 24, generator=generator) + 1
    y = 3 * (x @ torch.randn(24, 64, generator=generator)).relu() @ torch.randn(64, 24, generator=generator)
    for architecture in ARCHITECTURES:
        for skip in (False, True):
            folder = out / f"{architecture}_{skip}"
            options = {"architecture": architecture, "skip": skip, "d_sae": 96, "k": 6, "batch": 256, "steps": 200}
            sae = features.train(x, target=y, folder=folder, progress=False, **options)
            given = x[:200].contiguous()
            found = {"x": given, "z": sae.encode(given).to_dense(), "y": sae(given)}
            save_file({name: one.contiguous() for name, one in found.items()}, str(folder / EXPECTED))


@torch.no_grad()
def read(out):
    from sae_lens import SAE
    from sparsify import SparseCoder

    for folder in sorted(path.parent for path in out.glob(f"*/{EXPECTED}")):
        expected = load_file(folder / EXPECTED)
        if (folder / "sae.safetensors").exists():
            sae = SparseCoder.load_from_disk(folder)
            found = sae(expected["x"])
            z = torch.zeros_like(expected["z"]).scatter_(1, found.latent_indices, found.latent_acts)
            y, name = found.sae_out, "sparsify"
        else:
            sae = SAE.load_from_disk(str(folder))
            z, y, name = sae.encode(expected["x"]), sae(expected["x"]), f"SAELens: {sae.cfg.architecture()}"
        off = [
            float(((one - other).abs() / (1 + other.abs())).max())
            for one, other in ((z, expected["z"]), (y, expected["y"]))
        ]
        print(f"{folder.name}: {name}, off by {off[0]:.1e} (latents), {off[1]:.1e} (output)")
        assert max(off) < 1e-5
        assert (expected["z"] > 0).any()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
