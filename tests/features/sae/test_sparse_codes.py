"""Codes hold what a dense matrix holds, and count it as one counts by hand."""

import numpy as np
import pytest
import torch

from scope_widgets.features import SAE, SparseCodes
from scope_widgets.features.sae.measures import explained_variance
from tests.support.planted_features import matched_cosine, mean_max_cosine

DENSE = torch.tensor([[0.0, 2.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 3.0, 0.0]])


def test_codes_are_the_dense_matrix():
    codes = SparseCodes.from_dense(DENSE)
    assert torch.equal(codes.to_dense(), DENSE)
    assert (len(codes), codes.l0) == (3, 4 / 3)
    assert codes.rates().tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert codes.rows.tolist() == [0, 0, 2, 2]
    np.testing.assert_array_equal(codes.to_scipy().toarray(), DENSE.numpy())
    assert torch.equal(codes[1:].to_dense(), DENSE[1:])
    assert torch.equal(SparseCodes.joined([codes[:1], codes[1:]]).to_dense(), DENSE)
    assert len(codes[3:]) == 0
    with pytest.raises(ValueError, match="one after the other"):
        codes[::2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_top_rows_are_those_of_sorting(dtype):
    generator = torch.Generator().manual_seed(0)
    dense = (torch.randint(-40, 20, (300, 12), generator=generator).relu() / 4).to(dtype)  # with ties
    dense[:, 3] = 0
    dense[7:, 4] = 0
    rows, values = SparseCodes.from_dense(dense).top_rows(8)
    for latent, of in enumerate(dense.float().T.tolist()):
        best = sorted((row for row in range(300) if of[row]), key=lambda row: (-of[row], row))[:8]
        assert rows[latent].tolist() == best + [-1] * (8 - len(best))
        assert values[latent].tolist() == [of[row] for row in best] + [0.0] * (8 - len(best))
    with pytest.raises(ValueError, match="n is 0"):
        SparseCodes.from_dense(dense).top_rows(0)


def test_equal_rows_drop_zeros_and_sort():
    codes = SparseCodes.of_equal_rows(torch.tensor([[3, 1], [2, 0]]), torch.tensor([[0.5, 2.0], [0.0, 1.0]]), 4)
    assert codes.indices.tolist() == [1, 3, 0]
    assert codes.values.tolist() == [2.0, 0.5, 1.0]


def test_co_activation_is_that_of_the_dense_matrix():
    fires = (torch.rand(200, 30, generator=torch.Generator().manual_seed(0)) > 0.8).float()
    sparse = SparseCodes.from_dense(fires).to_scipy()
    np.testing.assert_array_equal((sparse.T @ sparse).toarray(), (fires.T @ fires).numpy())


def test_measures_by_hand():
    x = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert explained_variance(x, torch.zeros_like(x)) == 0.0
    assert explained_variance(x, x) == 1.0
    assert np.isnan(explained_variance(torch.ones(3, 2), torch.ones(3, 2)))
    true = torch.eye(3)
    assert mean_max_cosine(torch.eye(3)[:1], true) == pytest.approx(1 / 3)
    assert matched_cosine(2 * torch.eye(3)[[2, 0, 1]], true) == pytest.approx(1)


def test_decoding_adds_decoder_rows():
    torch.manual_seed(0)
    sae = SAE(torch.randn(4, 9), torch.randn(9, 4), torch.randn(9), torch.randn(4))
    x = torch.randn(7, 4)
    codes = sae.encode(x)
    p = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    torch.testing.assert_close(codes.to_dense(), p.relu())
    torch.testing.assert_close(sae.decode(codes), p.relu() @ sae.W_dec + sae.b_dec)
    assert len(sae.encode(x[:0])) == 0
    torch.testing.assert_close(sae(x.reshape(1, 7, 4))[0], sae(x))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"b_enc": torch.zeros(3)}, "b_enc"),
        ({"activation": "topk"}, "needs k="),
        ({"activation": "topk", "k": 10}, "1 to 9"),
        ({"activation": "softmax"}, "relu, topk"),
        ({"W_dec": torch.zeros(9, 5), "b_dec": torch.zeros(5)}, "W_dec"),
    ],
)
def test_what_is_no_sae_is_refused(change, said):
    parts = {"W_enc": torch.zeros(4, 9), "W_dec": torch.zeros(9, 4), "b_enc": torch.zeros(9), "b_dec": torch.zeros(4)}
    with pytest.raises(ValueError, match=said):
        SAE(**{**parts, **change})


def test_rows_of_another_width_are_refused():
    sae = SAE(torch.zeros(4, 9), torch.zeros(9, 4), torch.zeros(9), torch.zeros(4))
    with pytest.raises(ValueError, match="width 4"):
        sae.encode(torch.zeros(3, 5))
