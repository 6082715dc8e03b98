import numpy as np
from numpy.typing import NDArray

def select(
    products: NDArray[np.float32],
    halves: NDArray[np.float32],
    first: int,
    first_column: int,
    groups: NDArray[np.int64],
    scores: NDArray[np.float32],
    points: NDArray[np.int32],
    bars: NDArray[np.float32],
    threads: int,
) -> None: ...
def squared_distances(
    x: NDArray[np.float32] | NDArray[np.float64], rows: NDArray[np.int32], points: NDArray[np.int32], threads: int
) -> NDArray[np.float64]: ...
