"""What is written of many latents at once is what a plain loop over each of them finds."""

import numpy as np
import pytest
import torch

from scope_widgets.features.indexing import coactivation, summaries
from scope_widgets.features.indexing.by_latent import by_latent
from scope_widgets.features.indexing.examples import Contexts
from scope_widgets.features.indexing.files import N_BINS, empty_arrays
from scope_widgets.features.sae.sparse_codes import SparseCodes

N_ROWS, N_LATENTS = 3000, 30


@pytest.fixture(scope="module")
def given():
    """Codes with ties, a latent that fires everywhere and one that never does; samples with copies."""
    generator = np.random.default_rng(0)
    dense = generator.integers(1, 60, (N_ROWS, N_LATENTS)) / 8
    dense *= generator.random((N_ROWS, N_LATENTS)) < np.geomspace(0.5, 0.001, N_LATENTS)
    dense[:, 0], dense[:, 7] = 1 + generator.random(N_ROWS), 0
    lengths = generator.integers(1, 40, N_ROWS)
    samples = np.repeat(np.arange(N_ROWS), lengths)[:N_ROWS]
    positions = np.arange(N_ROWS) - np.searchsorted(samples, samples)
    token_ids = np.minimum(generator.geometric(0.3, N_ROWS), 12) + 7 * (positions % 3)
    return torch.tensor(dense, dtype=torch.float32), samples, positions, token_ids


@pytest.fixture(params=[2**21, 500])
def arrays(request, given, monkeypatch):
    monkeypatch.setattr(summaries, "_ACTIVATIONS", request.param)
    dense, samples, positions, token_ids = given
    found = empty_arrays(N_LATENTS)
    codes = by_latent(SparseCodes.from_dense(dense))
    summaries.summarise(found, codes, Contexts(samples, token_ids), token_ids, positions, 3, False)
    return {name: value.numpy() for name, value in found.items()}


def test_numbers_of_activations(given, arrays):
    dense = given[0].numpy()
    for latent, of in enumerate(dense.T):
        values = of[of > 0]
        assert arrays["count"][latent] == len(values)
        if not len(values):
            assert arrays["max"][latent] == arrays["mean"][latent] == arrays["histogram"][latent].sum() == 0
            continue
        assert arrays["max"][latent] == values.max()
        assert arrays["mean"][latent] == pytest.approx(values.mean(dtype=np.float64), rel=1e-6)
        at = np.floor((np.log10(values / values.max()) + 2) / 2 * N_BINS).astype(int)
        expected = np.bincount(np.clip(at, 0, N_BINS - 1), minlength=N_BINS)
        assert arrays["histogram"][latent].tolist() == expected.tolist()


def test_examples(given, arrays):
    dense, samples, positions, token_ids = given

    def distinct(rows, seen, n):
        found = []
        for row in rows:
            window = tuple(
                token_ids[r] if r >= 0 and samples[r] == samples[row] else -1 for r in range(row - 5, row + 1)
            )
            if len(found) < n and samples[row] not in seen and window not in seen:
                seen |= {samples[row], window}
                found.append(row)
        return found + [-1] * (n - len(found))

    for latent, of in enumerate(dense.numpy().T):
        order = np.array(sorted(of.nonzero()[0], key=lambda row: (-of[row], row)), dtype=int)
        seen: set[object] = set()
        expected = distinct(order[:2000].tolist(), seen, 20)
        generator = np.random.default_rng(3)
        for part in np.array_split(order, 4):
            expected += distinct(generator.permutation(part)[:60].tolist(), seen, 3)
        assert arrays["example_row"][latent].tolist() == expected
        for at, row in enumerate(expected):
            there = row >= 0
            assert arrays["example_value"][latent, at] == (of[row] if there else 0)
            assert arrays["example_sample"][latent, at] == (samples[row] if there else -1)
            assert arrays["example_position"][latent, at] == (positions[row] if there else -1)
            window = [
                token_ids[r] if there and 0 <= r < N_ROWS and samples[r] == samples[row] else -1
                for r in range(row - 15, row + 9)
            ]
            assert arrays["example_window"][latent, at].tolist() == window


def test_top_tokens(given, arrays):
    dense, _, _, token_ids = given
    counts_of_all = np.bincount(token_ids)
    for latent, of in enumerate(dense.numpy().T):
        ids, found = np.unique(token_ids[of > 0], return_counts=True)
        lifts = found / max(1, found.sum()) * N_ROWS / counts_of_all[ids]
        best = np.lexsort((ids, -found * np.log(lifts)))
        best = best[(lifts[best] > 1) | (found.sum() == N_ROWS)][:10]
        n = len(best)
        assert arrays["token"][latent].tolist() == [*ids[best], *[-1] * (10 - n)]
        assert arrays["token_count"][latent, :n].tolist() == found[best].tolist()
        np.testing.assert_allclose(arrays["token_lift"][latent, :n], lifts[best], rtol=1e-6)


@pytest.mark.parametrize("at_once", [2048, 7])
def test_partners(given, monkeypatch, at_once):
    monkeypatch.setattr(coactivation, "_AT_ONCE", at_once)
    latents, together, alone = coactivation.partners(SparseCodes.from_dense(given[0]), 6)
    fires = (given[0] > 0).int()
    counts = (fires.T @ fires).numpy()
    assert alone.tolist() == counts.diagonal().tolist()
    for latent in range(N_LATENTS):
        others = [(-counts[latent, j], j) for j in range(N_LATENTS) if j != latent and counts[latent, j]]
        expected = [(j, -count) for count, j in sorted(others)[:6]]
        expected += [(-1, 0)] * (6 - len(expected))
        assert list(zip(latents[latent].tolist(), together[latent].tolist(), strict=True)) == expected
