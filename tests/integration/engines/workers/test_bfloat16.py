"""Layers in bfloat16 multiply in float32: the same but for the order of the sum."""

import pytest
import torch

from quantgate.pipelines.engines.workers.bfloat16 import widened_linear

pytestmark = pytest.mark.integration


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).bfloat16()


@pytest.mark.parametrize("outputs", [1, 40, 25_000], ids=["one", "some", "in parts"])
@pytest.mark.parametrize("has_bias", [False, True])
def test_it_is_the_exact_product_rounded_once(outputs: int, has_bias: bool) -> None:
    values, weight = random(2, 9, 48), random(outputs, 48)
    bias = random(outputs) if has_bias else None
    product = widened_linear(values, weight, bias)
    exact = values.double() @ weight.double().T + (0 if bias is None else bias.double())
    assert product.shape == (2, 9, outputs) and product.dtype is torch.bfloat16
    assert (product == exact.bfloat16()).float().mean() > 0.99
    torch.testing.assert_close(product.double(), exact, rtol=2**-8, atol=1e-4)


def test_what_is_not_bfloat16_or_too_few_rows_is_left_to_torch() -> None:
    weight = random(40, 48)
    for values in (random(9, 48).float(), random(9, 48).half(), random(1, 48)):
        own = torch.nn.functional.linear(values, weight.to(values.dtype))
        assert torch.equal(widened_linear(values, weight.to(values.dtype)), own)


def test_what_is_to_be_derived_still_can_be() -> None:
    values, weight = random(9, 48), random(40, 48).requires_grad_()
    (gradient,) = torch.autograd.grad(widened_linear(values, weight).sum(), weight)
    assert gradient.shape == (40, 48)


def test_not_a_number_stays_one() -> None:
    values, weight = random(9, 48), random(40, 48)
    weight[3, 5] = float("nan")
    product = widened_linear(values, weight)
    assert product[:, 3].isnan().all()
    assert product[:, :3].isfinite().all()
