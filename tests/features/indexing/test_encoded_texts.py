"""Texts that are encoded where the model is: the index of a recording of them, without one."""

from dataclasses import replace

import numpy as np
import pytest

from scope_widgets import Microscope, features
from scope_widgets.remote.serialization import n_bytes, pack
from tests.support.fake_transport import fake_remote
from tests.support.latent_examples import some_sae

TEXTS = [f"When {a} and {b} went to the store" + " and the dog runs" * n for n, (a, b) in enumerate(
    [("Mary", "John"), ("Anna", "Tom"), ("Lucy", "Mary"), ("Tom", "John")] * 2)] * 2  # fmt: skip
LAYER = 2


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


def an_sae(kind):
    return replace(some_sae(kind, d=128, layer=LAYER), model="demo")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("topk", {}), ("jumprelu", {"max_tokens": 50}), ("topk", {"packed": True, "context": 16, "special_tokens": True})],
)
def test_the_index_is_that_of_a_recording(scope, tmp_path, kind, options):
    sae = an_sae(kind)
    rec = features.record(scope, TEXTS, layers=LAYER, folder=tmp_path / "rec", progress=False, **options)
    recorded = features.index(scope, sae, rec, folder=tmp_path / "a", progress=False)
    remote = fake_remote(scope)
    encoded = features.encode_texts(remote, sae, TEXTS, progress=False, tokens_at_once=40, **options)
    index = features.index(scope, sae, encoded, folder=tmp_path / "b", progress=False)
    assert len(encoded) == len(rec)
    assert set(remote.transport.asked) == {"_encoded"}
    n_samples = encoded.table["sample_id"].nunique()  # a recording counts those, too, of which it has no row any more
    assert replace(index.manifest, recordings=[]) == replace(recorded.manifest, recordings=[], n_samples=n_samples)
    assert index.manifest.recordings == []
    for name, expected in recorded.arrays.items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(index.arrays[name], expected, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(index.arrays[name], expected, err_msg=name)
    fires = int(np.argmax(index.arrays["count"]))
    assert [one.tokens for one in index.lines(fires)] == [one.tokens for one in recorded.lines(fires)]


def test_codes_come_back_and_no_activations(scope):
    """The encoder goes with each request, no decoder; what comes is 8 bytes a firing and 12 a row."""
    remote, sae = fake_remote(scope), an_sae("topk")
    sent, came = [], []
    answer = remote.transport._answer
    remote.transport._answer = lambda request: (sent.append(request), came.append(answer(request)))[1] or came[-1]
    encoded = features.encode_texts(remote, sae, TEXTS, progress=False)
    (request,), (found,) = sent, came
    assert n_bytes(request) == 4 * (sae.W_enc.numel() + len(sae.b_enc) + sae.d_in * sae.subtracts_b_dec)
    assert n_bytes(found) == 8 * len(encoded.codes.indices) + 12 * len(encoded) + 8 < 2 * len(encoded) * sae.d_in
    assert n_bytes(pack(sae, remote)) > 1.9 * n_bytes(request)


def test_what_cannot_be_encoded_is_said(scope, tmp_path):
    sae = an_sae("topk")
    with pytest.raises(TypeError, match="sae= is an SAE"):
        features.encode_texts(scope, "demo", TEXTS)
    with pytest.raises(ValueError, match="not say of which layer"):
        features.encode_texts(scope, replace(sae, layer=None), TEXTS)
    with pytest.raises(ValueError, match="rows of width 8; those of demo are of 128"):
        features.encode_texts(scope, replace(some_sae("topk", d=8, layer=LAYER), model="demo"), TEXTS)
    with pytest.raises(ValueError, match="No text has a token to encode"):
        features.encode_texts(scope, sae, ["", " "], progress=False)
    encoded = features.encode_texts(scope, sae, TEXTS[:2], progress=False)
    assert "latents of residual of layer 2 of demo" in repr(encoded)
    with pytest.raises(ValueError, match="append= is for recordings"):
        features.index(scope, sae, encoded, folder=tmp_path, append=True)
    with pytest.raises(ValueError, match="another model or place"):
        features.index(scope, replace(sae, layer=1), encoded, folder=tmp_path)
    with pytest.raises(ValueError, match="by another autoencoder"):
        features.index(scope, features.SAE(sae.W_enc[:, :5], sae.W_dec[:5], sae.b_enc[:5], sae.b_dec, "relu", layer=2),
                       encoded, folder=tmp_path)  # fmt: skip
