import numpy as np
from numpy.typing import NDArray

def by_latent(
    starts: NDArray[np.int64],
    latents: NDArray[np.int32],
    values: NDArray[np.int32] | NDArray[np.int16],
    n_latents: int,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]: ...
def top_rows(
    starts: NDArray[np.int64],
    latents: NDArray[np.int32],
    values: NDArray[np.int32] | NDArray[np.int16],
    n_latents: int,
    n: int,
    threads: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]: ...
