"""What is kept of an architecture is tried again once the code that made it says something else."""

import pytest

from quantgate.pipelines.files.sources import reached
from tests.catalogue.kept import modules_of
from tests.support.architectures.names import Architecture
from tests.support.architectures.outcomes import (
    BASE,
    PARTS,
    RECIPES,
    Attempt,
    BaseAnswer,
    Tried,
    put_together,
)

COMPRESS = "quantgate.pipelines.engines.llmcompressor.workers.compress"
QUANTIZE = "quantgate.pipelines.engines.llamacpp.workers.building.quantize"
GATES = "quantgate.pipelines.gates"


@pytest.mark.parametrize(
    ("part", "module", "counts"),
    [
        ("Q8_0", QUANTIZE, True),
        ("Q8_0", COMPRESS, False),
        ("FP8_DYNAMIC", COMPRESS, True),
        ("W4A16--gptq", COMPRESS, True),
        ("FP8_DYNAMIC", QUANTIZE, False),
        (BASE, COMPRESS, False),
        (BASE, "quantgate.pipelines.engines.llamacpp.workers.base_divergence", True),
    ],
)
def test_a_part_hangs_on_the_code_of_its_engine(part: str, module: str, counts: bool) -> None:
    assert (module in reached(*modules_of(part))) is counts


def test_no_part_hangs_on_verdicts() -> None:
    for part in PARTS:
        assert not [name for name in reached(*modules_of(part)) if name.startswith(GATES)]


def test_parts_are_put_together_in_the_order_of_recipes() -> None:
    tried = {
        name: Tried(parameter_count=3, attempt=Attempt(recipe=name)) for name in reversed(RECIPES)
    }
    tried[BASE] = Tried(parameter_count=3, base=BaseAnswer(answer="equal", mean_kl=1e-6))
    outcome = put_together(Architecture(name="A", model_type="a"), tried)
    assert [attempt.recipe for attempt in outcome.attempts] == [*RECIPES]
    assert outcome.parameter_count == 3
    assert outcome.base.answer == "equal"
