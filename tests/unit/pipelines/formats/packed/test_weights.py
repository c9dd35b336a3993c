"""The same 4-bit matrix in three layouts: worked out by hand, through each and back, and refused if wrong."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.formats.arrays import Array
from quantgate.pipelines.formats.packed.config import PackedLayout
from quantgate.pipelines.formats.packed.weights import (
    Int4Weight,
    StoredModule,
    from_awq,
    from_compressed_tensors,
    from_gptq,
    to_awq,
    to_gptq,
)

AWQ = PackedLayout(format=Format.AWQ, group_size=8)
GPTQ = PackedLayout(format=Format.GPTQ, group_size=8, symmetric=True, zero_offset=1)
COUNTING = np.arange(8, dtype=np.uint8)


def _stored(**arrays: Array) -> StoredModule:
    return StoredModule(name="model.layers.0.up", where="there", arrays=arrays)


def _words(*rows: list[int]) -> Array:
    return np.array(rows, dtype=np.uint32).view(np.int32)


def _weight(*, inputs: int, outputs: int, group_size: int, seed: int = 0) -> Int4Weight:
    """A random weight; scales have the eight significant bits of a bfloat16."""
    random = np.random.default_rng(seed)
    groups = inputs // group_size
    scales = random.integers(128, 256, (groups, outputs)) * 2.0 ** random.integers(-20, -9)
    return Int4Weight(
        values=random.integers(0, 16, (inputs, outputs), dtype=np.uint8),
        zeros=random.integers(0, 16, (groups, outputs), dtype=np.uint8),
        scales=scales.astype(np.float32),
        groups=np.arange(inputs, dtype=np.int32) // group_size,
    )


def _symmetric(weight: Int4Weight) -> Int4Weight:
    return replace(weight, zeros=np.full_like(weight.zeros, 8))


def _same(one: Int4Weight, other: Int4Weight) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("values", "zeros", "scales", "groups")
    )


def test_a_weight_is_value_minus_zero_times_scale_by_group() -> None:
    weight = Int4Weight(
        values=np.array([[0, 15], [8, 8], [3, 4]], dtype=np.uint8),
        zeros=np.array([[8, 0], [1, 15]], dtype=np.uint8),
        scales=np.array([[0.5, 2.0], [0.25, 1.0]], dtype=np.float32),
        groups=np.array([0, 0, 1], dtype=np.int32),
    )
    assert weight.dense().tolist() == [[-4.0, 0.0, 0.5], [30.0, 16.0, -11.0]]


def test_awq_stores_a_row_of_outputs_for_each_input() -> None:
    weight = Int4Weight(
        values=np.stack([COUNTING, COUNTING + np.uint8(8)]),
        zeros=COUNTING[None],
        scales=np.full((1, 8), 0.5, dtype=np.float32),
        groups=np.zeros(2, dtype=np.int32),
    )
    stored = to_awq(weight)
    assert stored["qweight"].tolist() == _words([0x75316420], [0xFDB9ECA8]).tolist()
    assert stored["qzeros"].tolist() == _words([0x75316420]).tolist()
    assert (stored["scales"].dtype, stored["scales"].shape) == (np.float16, (1, 8))


def test_gptq_stores_a_column_of_inputs_for_each_output_and_zeros_less_one() -> None:
    weight = Int4Weight(
        values=np.repeat(np.concatenate([COUNTING, COUNTING[::-1]])[:, None], 8, axis=1),
        zeros=np.full((2, 8), 8, dtype=np.uint8),
        scales=np.full((2, 8), 0.5, dtype=np.float32),
        groups=np.repeat(np.arange(2, dtype=np.int32), 8),
    )
    stored = to_gptq(weight)
    assert stored["qweight"].tolist() == _words([0x76543210] * 8, [0x01234567] * 8).tolist()
    assert stored["qzeros"].tolist() == _words([0x77777777], [0x77777777]).tolist()
    assert stored["g_idx"].tolist() == [0] * 8 + [1] * 8


def test_compressed_tensors_stores_a_row_of_inputs_for_each_output() -> None:
    module = _stored(
        weight_packed=_words([0x76543210], [0x01234567]),
        weight_shape=np.array([2, 8]),
        weight_scale=np.array([[0.5], [1.0]], dtype=np.float32),
        weight_zero_point=_words([0x21]),
    )
    weight = from_compressed_tensors(module, group_size=8)
    assert weight.values.T.tolist() == [COUNTING.tolist(), COUNTING[::-1].tolist()]
    assert weight.zeros.tolist() == [[1, 2]]
    assert weight.dense()[1].tolist() == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0]


def test_compressed_tensors_without_zero_points_is_centred_on_eight() -> None:
    module = _stored(
        weight_packed=_words([0x88888888]),
        weight_shape=np.array([1, 8]),
        weight_scale=np.array([[3.0]], dtype=np.float32),
    )
    assert not from_compressed_tensors(module, group_size=8).dense().any()


@pytest.mark.parametrize("seed", range(6))
def test_awq_gives_back_every_integer_and_scale(seed: int) -> None:
    weight = _weight(inputs=48, outputs=40, group_size=8, seed=seed)
    assert _same(from_awq(_stored(**to_awq(weight)), AWQ), weight)


@pytest.mark.parametrize("seed", range(6))
def test_gptq_gives_back_every_integer_and_scale(seed: int) -> None:
    weight = _symmetric(_weight(inputs=48, outputs=40, group_size=8, seed=seed))
    assert _same(from_gptq(_stored(**to_gptq(weight)), GPTQ), weight)


def test_one_group_for_a_whole_column_is_read_too() -> None:
    weight = _weight(inputs=32, outputs=8, group_size=32)
    assert _same(from_awq(_stored(**to_awq(weight)), replace(AWQ, group_size=None)), weight)


def test_the_later_gptq_layout_stores_zero_points_as_they_are() -> None:
    weight = _symmetric(_weight(inputs=16, outputs=8, group_size=8))
    stored = to_gptq(weight)
    stored["qzeros"] = np.full_like(stored["qzeros"], _words([0x88888888])[0, 0])
    assert _same(from_gptq(_stored(**stored), replace(GPTQ, zero_offset=0)), weight)


def test_inputs_in_any_order_belong_to_the_groups_that_are_named() -> None:
    weight = _symmetric(_weight(inputs=16, outputs=8, group_size=8))
    shuffled = replace(weight, groups=np.random.default_rng(1).permutation(weight.groups))
    read = from_gptq(_stored(**to_gptq(shuffled)), replace(GPTQ, any_order=True))
    assert np.array_equal(read.dense(), shuffled.dense())


def test_every_bfloat16_scale_from_two_to_the_minus_17_is_exact_in_float16() -> None:
    words = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    scales = words.view(np.float32)
    scales = scales[np.isfinite(scales) & (scales >= 2.0**-17) & (scales < 65520)]
    weight = _weight(inputs=8, outputs=8 * (len(scales) // 8), group_size=8)
    weight = replace(weight, scales=scales[: weight.zeros.size].reshape(weight.zeros.shape))
    assert np.array_equal(to_awq(weight)["scales"].astype(np.float32), weight.scales)


@pytest.mark.parametrize("scale", [2.0**-17 * (1 + 2**-9), 2.0**-26, 1e5, 0.1])
@pytest.mark.parametrize("write", [to_awq, to_gptq])
def test_a_scale_that_float16_would_round_is_refused(
    write: Callable[[Int4Weight], dict[str, Array]], scale: float
) -> None:
    weight = _symmetric(_weight(inputs=8, outputs=8, group_size=8))
    weight.scales[0, 3] = scale
    with pytest.raises(ValueError, match="1 scales that float16 rounds"):
        write(weight)


def test_zero_points_have_no_equal_in_gptq_and_are_refused() -> None:
    with pytest.raises(ValueError, match="zero points other than 8"):
        to_gptq(_weight(inputs=8, outputs=8, group_size=8))


def _gptq(**changed: Array) -> StoredModule:
    stored = to_gptq(_symmetric(_weight(inputs=16, outputs=8, group_size=8)))
    return _stored(**{**stored, **changed})


GPTQ_FAULTS: dict[str, tuple[dict[str, Array], str]] = {
    "zero point 16": (
        {"qzeros": _words([0x7777777F], [0x77777777])},
        r"layers.0.up.qzeros holds a zero point of 16",
    ),
    "not symmetric": ({"qzeros": _words([0x77777776], [0x77777777])}, "other than 8"),
    "group that is not there": ({"g_idx": np.full(16, 2, dtype=np.int32)}, "none of the 2"),
    "negative group": ({"g_idx": np.full(16, -1, dtype=np.int32)}, "none of the 2"),
    "groups out of order": ({"g_idx": np.arange(16, dtype=np.int32) % 2}, "not in order"),
    "short g_idx": ({"g_idx": np.zeros(8, dtype=np.int32)}, r"int32 8, and int32 16 is meant"),
    "zeros of another shape": ({"qzeros": _words([0x77777777])}, "up.qzeros is int32 1 x 1"),
    "scales of another shape": ({"scales": np.ones((2, 4), np.float16)}, "float16 2 x 4"),
    "integer scales": ({"scales": np.ones((2, 8), np.int32)}, "up.scales is int32"),
    "NaN scale": ({"scales": np.full((2, 8), np.nan, np.float16)}, "16 non-finite scales"),
    "infinite scale": ({"scales": np.full((2, 8), np.inf, np.float16)}, "non-finite"),
    "float weights": ({"qweight": np.zeros((2, 8), np.float32)}, "up.qweight is float32"),
    "no matrix": ({"qweight": np.zeros(8, np.int32)}, "up.qweight is 8, not a matrix"),
    "empty": ({"qweight": np.zeros((2, 0), np.int32)}, "not a matrix"),
    "odd outputs": ({"qweight": np.zeros((2, 7), np.int32)}, "7 outputs"),
    "indivisible inputs": ({"qweight": np.zeros((3, 8), np.int32)}, "24 inputs, .*groups of 16"),
}


@pytest.mark.parametrize("fault", GPTQ_FAULTS)
def test_what_is_not_gptq_is_refused_by_name(fault: str) -> None:
    changed, message = GPTQ_FAULTS[fault]
    layout = replace(GPTQ, group_size=16) if fault == "indivisible inputs" else GPTQ
    with pytest.raises(CheckpointError, match=message):
        from_gptq(_gptq(**changed), layout)


AWQ_FAULTS: dict[str, tuple[dict[str, Array], str]] = {
    "GPTQ's qweight": ({"qweight": np.zeros((2, 16), np.int32)}, "2 inputs"),
    "zeros of another shape": ({"qzeros": np.zeros((2, 1), np.int32)}, "up.qzeros is int32 2 x 1"),
    "NaN scale": ({"scales": np.full((2, 16), np.nan, np.float16)}, "32 non-finite scales"),
    "scales upside down": ({"scales": np.ones((16, 2), np.float16)}, "up.scales"),
}


@pytest.mark.parametrize("fault", AWQ_FAULTS)
def test_what_is_not_awq_is_refused_by_name(fault: str) -> None:
    changed, message = AWQ_FAULTS[fault]
    stored = to_awq(_weight(inputs=16, outputs=16, group_size=8))
    with pytest.raises(CheckpointError, match=message):
        from_awq(_stored(**{**stored, **changed}), AWQ)
