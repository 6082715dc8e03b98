import numpy as np
from numpy.typing import NDArray

def strongest(
    p: NDArray[np.float32], k: int, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]: ...
def strongest_scored(
    scores: NDArray[np.uint16],
    bias: NDArray[np.float32],
    norms: NDArray[np.float32],
    slack: NDArray[np.float32],
    x: NDArray[np.float32],
    weights: NDArray[np.float32],
    k: int,
    threads: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]: ...
def above_scored(
    scores: NDArray[np.uint16],
    bias: NDArray[np.float32],
    norms: NDArray[np.float32],
    slack: NDArray[np.float32],
    x: NDArray[np.float32],
    weights: NDArray[np.float32],
    bar: float,
    most: int,
    threads: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]: ...
def gradients(
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    values: NDArray[np.float32],
    error: NDArray[np.float32],
    centred: NDArray[np.float32],
    decoder: NDArray[np.float32],
    of_encoder: NDArray[np.float32],
    of_decoder: NDArray[np.float32],
    of_bias: NDArray[np.float32],
    fresh: bool,
    threads: int,
) -> None: ...
