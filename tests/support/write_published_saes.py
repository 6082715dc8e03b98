"""Write autoencoders as they are published, and what real libraries compute with them: tests/fixtures/published_saes.

In an environment of its own (`pip install sae-lens nnsight; pip install --no-deps dictionary-learning circuit-tracer`,
a checkout of OpenAI's sparse_autoencoder in PYTHONPATH): `python write_published_saes.py FOLDER`. SAELens reads what is
published on the hub: Gemma Scope, Llama Scope, Goodfire, Qwen Scope.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder
from dictionary_learning import dictionary, utils
from dictionary_learning.trainers import batch_top_k, matryoshka_batch_top_k, top_k
from sae_lens.loading import pretrained_sae_loaders as hub
from sae_lens.saes.sae import SAE
from safetensors.torch import load_file, save_file
from sparse_autoencoder.model import Autoencoder, TopK
from torch.nn import functional

OUT = Path(sys.argv[1])
WIDTH, LATENTS = 12, 40
X = torch.randn(16, WIDTH, generator=torch.Generator().manual_seed(1)) * 2 + 0.3


def random(*shape):
    return torch.randn(*shape) * 0.5


def fill(module):
    with torch.no_grad():
        for name, one in module.named_parameters():
            one.copy_(torch.rand_like(one) * 0.8 if "threshold" in name else torch.randn_like(one) * 0.5)


def expect(folder, latents, reconstruction):
    tensors = {"x": X.clone(), "z": latents.detach().contiguous(), "y": reconstruction.detach().contiguous()}
    save_file(tensors, str(OUT / folder / "expected.safetensors"))


def place(folder):
    (OUT / folder).mkdir(parents=True)
    return OUT / folder


# --- what SAELens reads from the hub, here from a folder ------------------------------------------------------------


def local(repo_id, filename, subfolder=None, **_):
    path = OUT / repo_id / (subfolder or "") / filename
    if not path.is_file():
        raise hub.EntryNotFoundError(filename)
    return str(path)


def shapes(repo_id, filename):
    return {name: list(one.shape) for name, one in load_file(str(OUT / repo_id / filename)).items()}


hub.hf_hub_download, hub.get_safetensors_tensor_shapes = local, shapes


def expect_of_hub(loader, repo, name, folder, scale=None, **overrides):
    config, tensors, _ = loader(repo, name, "cpu", cfg_overrides={"dtype": "float32", "device": "cpu", **overrides})
    sae = SAE.from_dict.__func__(_class_of(config["architecture"]), hub.handle_config_defaulting(config))
    sae.process_state_dict_for_loading(tensors)
    sae.load_state_dict(tensors)
    if scale is not None:
        sae.fold_activation_norm_scaling_factor(scale)
    expect(folder, sae.encode(X), sae(X))


def _class_of(architecture):
    from sae_lens.registry import get_sae_class

    return get_sae_class(architecture)[0]


def weights(d_out=WIDTH):
    return {
        "W_enc": random(WIDTH, LATENTS),
        "W_dec": random(LATENTS, d_out),
        "b_enc": random(LATENTS),
        "b_dec": random(d_out),
        "threshold": torch.rand(LATENTS) * 0.8,
    }


def write_gemma_scope():
    for kind, loader in (
        ("res", hub.gemma_2_sae_huggingface_loader),
        ("transcoders", hub.gemma_2_transcoder_huggingface_loader),
    ):
        repo, name = f"google/gemma-scope-2b-pt-{kind}", "layer_20/width_16k/average_l0_71"
        path = place(f"{repo}/{name}")
        np.savez(path / "params.npz", **{key: one.numpy() for key, one in weights().items()})
        expect_of_hub(loader, repo, name, f"{repo}/{name}", d_in=WIDTH, d_sae=LATENTS, d_out=WIDTH)
    for kind, skip in (("resid_post", False), ("transcoder", True)):
        repo, name = "google/gemma-scope-2-1b-pt", f"{kind}/layer_7_width_16k_l0_small{'_affine' if skip else ''}"
        tensors = {key.lower(): one for key, one in weights().items()}
        if skip:
            tensors["affine_skip_connection"] = random(WIDTH, WIDTH)
        save_file(tensors, str(place(f"{repo}/{name}") / "params.safetensors"))
        expect_of_hub(hub.gemma_3_sae_huggingface_loader, repo, name, f"{repo}/{name}")


def linear(first="encoder", second="decoder"):
    return {
        f"{first}.weight": random(LATENTS, WIDTH),
        f"{first}.bias": random(LATENTS),
        f"{second}.weight": random(WIDTH, LATENTS),
        f"{second}.bias": random(WIDTH),
    }


def write_llama_scope():
    repo, name = "fnlp/Llama3_1-8B-Base-LXR-8x", "Llama3_1-8B-Base-L15R-8x"
    path = place(f"{repo}/{name}")
    (path / "checkpoints").mkdir()
    save_file(linear(), str(path / "checkpoints" / "final.safetensors"))
    norm = 9.0
    config = {
        "d_model": WIDTH,
        "d_sae": LATENTS,
        "jump_relu_threshold": 0.6,
        "hook_point_in": "blocks.15.hook_resid_post",
    }
    config |= {
        "hook_point_out": "blocks.15.hook_resid_post",
        "dataset_average_activation_norm": {"in": norm, "out": norm},
    }
    (path / "hyperparams.json").write_text(json.dumps(config))
    expect_of_hub(hub.llama_scope_sae_huggingface_loader, repo, name, f"{repo}/{name}", WIDTH**0.5 / norm)


def write_goodfire():
    repo, name = "Goodfire/Llama-3.1-8B-Instruct-SAE-l19", "Llama-3.1-8B-Instruct-SAE-l19.pth"
    torch.save(linear("encoder_linear", "decoder_linear"), place(repo) / name)
    expect_of_hub(hub.get_goodfire_huggingface_loader, repo, name, repo, d_in=WIDTH, d_sae=LATENTS)


def write_qwen_scope():
    repo, name = "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_5", "layer3.sae.pt"
    tensors = {
        "W_enc": random(LATENTS, WIDTH),
        "W_dec": random(WIDTH, LATENTS),
        "b_enc": random(LATENTS),
        "b_dec": random(WIDTH),
    }
    torch.save(tensors, place(repo) / name)
    hub._parse_qwen_scope_repo_id = lambda _: ("Qwen3-1.7B", LATENTS, 5)
    hub.QWEN_SCOPE_MODEL_INFO["Qwen3-1.7B"] = ("Qwen/Qwen3-1.7B-Base", WIDTH)
    expect_of_hub(hub.qwen_scope_sae_huggingface_loader, repo, name, repo)


# --- libraries that write and read their own ------------------------------------------------------------------------


def write_dictionary_learning():
    group = {"group_sizes": [10, 30]}
    saes = {
        "AutoEncoder": dictionary.AutoEncoder(WIDTH, LATENTS),
        "AutoEncoderNew": dictionary.AutoEncoderNew(WIDTH, LATENTS),
        "GatedAutoEncoder": dictionary.GatedAutoEncoder(WIDTH, LATENTS),
        "JumpReluAutoEncoder": dictionary.JumpReluAutoEncoder(WIDTH, LATENTS),
        "AutoEncoderTopK": top_k.AutoEncoderTopK(WIDTH, LATENTS, 5),
        "BatchTopKSAE": batch_top_k.BatchTopKSAE(WIDTH, LATENTS, 5),
        "MatryoshkaBatchTopKSAE": matryoshka_batch_top_k.MatryoshkaBatchTopKSAE(WIDTH, LATENTS, 5, **group),
    }
    for kind, sae in saes.items():
        fill(sae)
        if "BatchTopK" in kind:
            sae.threshold.fill_(0.7)
        folder = f"dictionary_learning/{kind}"
        path = place(folder)
        torch.save(sae.state_dict(), path / "ae.pt")
        trainer = {
            "dict_class": kind,
            "layer": 4,
            "lm_name": "EleutherAI/pythia-70m",
            "submodule_name": "resid_post_layer_4",
        }
        trainer |= {"k": 5, "activation_dim": WIDTH, "dict_size": LATENTS}
        (path / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"ctx_len": 128}}))
        again, _ = utils.load_dictionary(str(path), "cpu")
        expect(folder, again.encode(X), again(X))


def write_openai():
    for name, activation in (("resid_post_mlp_v4", torch.nn.ReLU()), ("resid_delta_mlp_v5_32k", TopK(5))):
        sae = Autoencoder(LATENTS, WIDTH, activation, normalize=isinstance(activation, TopK))
        fill(sae)
        folder = f"openai/gpt2-small/{name}/autoencoders"
        # what it would refuse to read is not in what it published
        tensors = {key: one for key, one in sae.state_dict().items() if not key.startswith("activation.")}
        torch.save(tensors, place(folder) / "8.pt")
        again = Autoencoder.from_state_dict(torch.load(OUT / folder / "8.pt"))
        latents, about = again.encode(X)
        expect(folder, latents, again.decode(latents, about))


def write_circuit_tracer():
    for kind, function, skip in (("relu", functional.relu, False), ("jumprelu", JumpReLU(torch.rand(LATENTS)), True)):
        transcoder = SingleLayerTranscoder(WIDTH, LATENTS, function, 6, skip_connection=skip, dtype=torch.float32)
        fill(transcoder)
        folder = f"circuit_tracer/{kind}"
        path = place(folder)
        transcoder.to_safetensors(str(path / "layer_6.safetensors"))
        (path / "config.yaml").write_text(
            'model_name: "google/gemma-2-2b"\nfeature_input_hook: "ln2.hook_normalized"\n'
        )
        expect(folder, transcoder.encode(X), transcoder(X))


def main():
    torch.manual_seed(0)
    for write in (
        write_gemma_scope,
        write_llama_scope,
        write_goodfire,
        write_qwen_scope,
        write_dictionary_learning,
        write_openai,
        write_circuit_tracer,
    ):
        write()


main()
