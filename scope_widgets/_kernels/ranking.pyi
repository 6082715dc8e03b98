import numpy as np
from numpy.typing import NDArray

def top_keys(
    attention: NDArray[np.int32] | NDArray[np.int16], k: int, block: int, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]: ...
