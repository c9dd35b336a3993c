"""Names of quants: short, unmistakable, and fit for files and the registry."""

import pytest

from quantgate.pipelines.domain.registrable import LONGEST_NAME
from quantgate.pipelines.variants.foreign.names import recipe_name


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("SmolLM2-135M-Instruct.Q4_1", "smollm2-135m-instruct", "foreign--Q4_1"),
        ("acme_Demo-2B-it-Q4_K_M", "demo-2b-it", "foreign--Q4_K_M"),
        ("Demo-2B-it-UD-Q2_K_XL", "demo-2b-it", "foreign--UD-Q2_K_XL"),
        ("Demo", "demo", "foreign--Demo"),
        ("other-Q8_0", "demo", "foreign--other-Q8_0"),
        ("a b--c/ü", "", "foreign--a-b-c"),
        ("ü", "demo", "foreign--quant"),
    ],
)
def test_a_quant_is_called_without_its_base(name: str, base: str, expected: str) -> None:
    assert recipe_name(name, base) == expected


def test_long_names_are_cut_so_that_a_cache_s_name_fits_behind_them() -> None:
    assert len(recipe_name("x" * 300, "demo") + "--kv_q8_0") == LONGEST_NAME
