"""Many small matrices at once."""

from __future__ import annotations

import numpy as np

from rmn_pipeline.planning.curves import Floats


def inverse_of_2x2(matrix: Floats) -> Floats:
    """Inverses of symmetric 2 × 2 matrices in the last two axes, in closed form: LAPACK would be called per matrix."""
    first, cross, second = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    determinant = first * second - cross**2
    rows = np.stack([second, -cross, -cross, first], axis=-1) / determinant[..., None]
    return np.asarray(rows.reshape(matrix.shape), dtype=np.float64)


def root_of(matrix: Floats) -> Floats:
    """Lower triangular root of a covariance, or of many: independent normals times it have that covariance."""
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
