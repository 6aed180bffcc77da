"""Array types and the streams of random numbers that the world's parts draw from."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


def stream(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """The random numbers that one named part of the world uses; parts don't disturb each other."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *numbers])
