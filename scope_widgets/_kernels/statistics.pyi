import numpy as np
from numpy.typing import NDArray

def sum_rows(
    attention: NDArray[np.int32] | NDArray[np.int16],
    earlier_tokens: NDArray[np.int32],
    inverse_log: NDArray[np.float64],
    block: int,
    threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]: ...
