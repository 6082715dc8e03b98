import numpy as np
from numpy.typing import NDArray

KEYS_PER_PANEL: int
BUILD: dict[str, int]

def sum_rows(
    attention: NDArray[np.int32] | NDArray[np.int16],
    earlier_rows: NDArray[np.int32],
    inverse_log: NDArray[np.float64],
    block: int,
    threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]: ...
def sum_scored_queries(
    queries: NDArray[np.float32],
    key_panels: NDArray[np.float32],
    scaling: float,
    window: int,
    softcap: float,
    earlier_rows: NDArray[np.int32],
    inverse_log: NDArray[np.float64],
    threads: int,
) -> NDArray[np.float64]: ...
