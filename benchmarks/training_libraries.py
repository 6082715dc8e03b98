"""Train a BatchTopK autoencoder with another library, by the interpreter that it is installed for.

    python training_libraries.py LIBRARY ROWS FOLDER '{"d_sae": , "k": , "batch": , "steps": , "rate": , "threads": }'

ROWS is a .npy file `[row, d]`; what is trained goes to FOLDER in the library's own layout. The last line printed is
JSON: the seconds of training, or what is missing. Each library is used as its documentation does: inputs scaled by the
mean of their squared norms, its own warm-up, decay and treatment of dead latents.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch


def batches(rows: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
    """Yield batches in a random order, all rows once before the next time."""
    generator = np.random.default_rng(0)
    while True:
        order = generator.permutation(len(rows))
        for start in range(0, len(order) - batch + 1, batch):
            yield torch.from_numpy(rows[np.sort(order[start : start + batch])].astype(np.float32))


def saelens(rows: np.ndarray, folder: Path, told: dict[str, Any]) -> None:
    """SAELens's BatchTopKTrainingSAE, saved for inference."""
    from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, SAETrainer
    from sae_lens.config import LoggingConfig, SAETrainerConfig

    total = told["steps"] * told["batch"]
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=rows.shape[1],
            d_sae=told["d_sae"],
            k=told["k"],
            dtype="float32",
            device="cpu",
            normalize_activations="expected_average_only_in",
        )
    )
    config = SAETrainerConfig(
        total_training_samples=total,
        train_batch_size_samples=told["batch"],
        lr=told["rate"] or 3e-4,
        lr_end=(told["rate"] or 3e-4) / 10,  # as its runner has it
        lr_decay_steps=told["steps"] // 5,
        lr_warm_up_steps=told["steps"] // 20,
        dead_feature_window=max(1, told["steps"] // 30),
        n_batches_for_norm_estimate=20,
        device="cpu",
        logger=LoggingConfig(log_to_wandb=False),
        checkpoint_path=None,
        save_final_checkpoint=False,
    )
    SAETrainer(config, sae, batches(rows, told["batch"])).fit().save_inference_model(folder)


def dictionary_learning(rows: np.ndarray, folder: Path, told: dict[str, Any]) -> None:
    """dictionary_learning's BatchTopKTrainer."""
    from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
    from dictionary_learning.training import trainSAE

    trainer = {
        "trainer": BatchTopKTrainer,
        "steps": told["steps"],
        "activation_dim": rows.shape[1],
        "dict_size": told["d_sae"],
        "k": told["k"],
        "layer": 0,
        "lm_name": "-",
        "lr": told["rate"],
        "warmup_steps": told["steps"] // 20,
        "decay_start": told["steps"] * 4 // 5,
        "threshold_start_step": told["steps"] // 2,
        "device": "cpu",
        "seed": 0,
    }
    given = batches(rows, told["batch"])
    trainSAE(given, [trainer], told["steps"], save_dir=str(folder), normalize_activations=True, device="cpu")


LIBRARIES = {one.__name__: one for one in (saelens, dictionary_learning)}


def main() -> None:
    """Train, and say how long it took."""
    name, rows, folder, told = sys.argv[1], np.load(sys.argv[2], mmap_mode="r"), Path(sys.argv[3]), sys.argv[4]
    settings = json.loads(told)
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    start = time.perf_counter()
    try:
        LIBRARIES[name](rows, folder, settings)
        answer: dict[str, Any] = {"seconds": time.perf_counter() - start}
    except ImportError as error:
        answer = {"missing": f"{name}: {error}"}
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
