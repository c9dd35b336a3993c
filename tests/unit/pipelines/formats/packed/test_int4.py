"""Four-bit integers in 32-bit words: nibbles worked out by hand, and everything comes back."""

import numpy as np
import pytest

from quantgate.pipelines.formats.packed.int4 import (
    IN_ORDER,
    INTERLEAVED,
    Nibbles,
    Words,
    pack,
    unpack,
)


def _nibbles(*rows: list[int]) -> Nibbles:
    return np.array(rows, dtype=np.uint8)


def _words(*rows: list[int]) -> Words:
    return np.array(rows, dtype=np.uint32).view(np.int32)


COUNTING = _nibbles([0, 1, 2, 3, 4, 5, 6, 7])


def test_in_order_the_first_value_is_the_lowest_nibble() -> None:
    assert pack(COUNTING, axis=1, order=IN_ORDER).tolist() == _words([0x76543210]).tolist()


def test_awq_puts_even_places_below_odd_ones() -> None:
    assert pack(COUNTING, axis=1, order=INTERLEAVED).tolist() == _words([0x75316420]).tolist()


def test_the_last_nibble_may_be_the_sign() -> None:
    packed = pack(_nibbles([0, 0, 0, 0, 0, 0, 0, 15]), axis=1, order=IN_ORDER)
    assert packed.tolist() == [[-(1 << 28)]]
    assert unpack(packed, axis=1, order=IN_ORDER).tolist() == [[0, 0, 0, 0, 0, 0, 0, 15]]


def test_along_the_other_axis_a_column_becomes_a_word() -> None:
    two = np.concatenate([COUNTING.T, 8 + COUNTING.T], axis=1).astype(np.uint8)
    packed = pack(two, axis=0, order=IN_ORDER)
    assert packed.tolist() == _words([0x76543210, 0xFEDCBA98]).tolist()


@pytest.mark.parametrize("order", [IN_ORDER, INTERLEAVED])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_packed_comes_back(seed: int, axis: int, order: tuple[int, ...]) -> None:
    random = np.random.default_rng(seed)
    shape = (8 * int(random.integers(1, 9)), 8 * int(random.integers(1, 9)))
    values = random.integers(0, 16, shape, dtype=np.uint8)
    packed = pack(values, axis=axis, order=order)
    assert packed.dtype == np.int32
    assert packed.size * 8 == values.size
    assert np.array_equal(unpack(packed, axis=axis, order=order), values)


@pytest.mark.parametrize("order", [IN_ORDER, INTERLEAVED])
def test_any_words_are_the_packing_of_what_they_unpack_to(order: tuple[int, ...]) -> None:
    drawn = np.random.default_rng(7).integers(-(2**31), 2**31, (5, 3), dtype=np.int64)
    words = drawn.astype(np.int32)
    assert np.array_equal(pack(unpack(words, axis=1, order=order), axis=1, order=order), words)


def test_a_fifth_bit_is_refused_and_never_spills_into_the_neighbour() -> None:
    with pytest.raises(ValueError, match="16 does not fit in four bits"):
        pack(_nibbles([16, 0, 0, 0, 0, 0, 0, 0]), axis=1, order=IN_ORDER)


def test_a_word_that_would_not_fill_up_is_refused() -> None:
    with pytest.raises(ValueError, match="7 values along axis 1"):
        pack(COUNTING[:, :7], axis=1, order=IN_ORDER)
