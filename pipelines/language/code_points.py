"""A small number for each code point of texts, worked out for those that occur and no others.

All 1.1 million of them would take half a second, however short the texts are.
"""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray

CODE_POINTS = 0x110000
"""So many Unicode has."""
_UNSEEN = 255


class CodePointTable:
    """What `number` says of code points, below 255, asked once for each that occurs.

    Several threads may ask: what they write is the same.
    """

    def __init__(self, number: Callable[[int], int]) -> None:
        """Nothing is asked yet."""
        self._number = number
        self._numbers = numpy.full(CODE_POINTS, _UNSEEN, dtype=numpy.uint8)

    def of(self, codes: NDArray[numpy.uint8] | NDArray[numpy.uint32]) -> NDArray[numpy.uint8]:
        """Return the number of each code point, in an array that is the caller's."""
        numbers = self._numbers[codes]
        unseen = numbers == _UNSEEN
        if unseen.any():
            for code in numpy.unique(codes[unseen]).tolist():
                self._numbers[code] = self._number(code)
            numbers = self._numbers[codes]
        return numbers
