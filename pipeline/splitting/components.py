"""Connected components: which things hang together when some pairs do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def connected(count: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the component of each of ``count`` things, int64 [count], numbered from 0.

    Args:
        count: How many things there are.
        left: int64 [links], one end of each link.
        right: int64 [links], the other end.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not count:
        return np.empty(0, dtype=np.int64)
    links = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels, dtype=np.int64)
