"""What servers tell of their likeliest tokens, and what can be known of a divergence from that."""

import math
from pathlib import Path

import numpy
import pytest

from quantgate.pipelines.audit.base_divergence import (
    ROUNDING,
    ROUNDING_BFLOAT16,
    Comparison,
    rounding_of,
    summary,
)
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.divergence.base_messages import (
    LOGITS_FILE,
    CheckpointLogits,
    CheckpointLogitsCall,
    Passage,
    PositionDivergences,
)
from quantgate.pipelines.engines.divergence.sums import log_softmax
from quantgate.pipelines.engines.openai.likeliest import (
    asked_positions,
    asking_likeliest,
    likeliest,
)
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.workers.base_divergence import coarse_divergence, measure
from quantgate.pipelines.engines.requests import BaseDivergenceRequest
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.calls import ignore_progress
from tests.support.servers.openai_fake import Fault, fake_server
from tests.support.servers.served import Site

RANDOM = numpy.random.default_rng(0)


def reply(logprobs: object) -> JsonObject:
    return {"choices": [{"text": "x", "logprobs": logprobs}]}  # type: ignore[dict-item]


def test_llama_server_names_ids() -> None:
    rows = [{"id": 7, "token": "a", "logprob": -0.1}, {"id": 9, "token": "b", "logprob": -3}]
    told = reply({"content": [{"id": 7, "logprob": -0.1, "top_logprobs": rows}]})
    assert likeliest("llama-server", told) == {7: -0.1, 9: -3.0}


def test_vllm_names_ids_where_it_is_asked_to() -> None:
    told = reply({"top_logprobs": [{"token_id:7": -0.1, "token_id:9": -3.0}]})
    assert likeliest("vllm", told) == {7: -0.1, 9: -3.0}
    asked = asking_likeliest("vllm")
    assert asked and asked["return_tokens_as_token_ids"] is True


@pytest.mark.parametrize("engine", ["llama-server", "vllm"])
@pytest.mark.parametrize(
    "logprobs", [None, {}, [], {"content": None}, {"top_logprobs": [{"the": -0.1}]}]
)
def test_a_reply_without_ids_tells_nothing(engine: str, logprobs: object) -> None:
    assert likeliest(engine, reply(logprobs)) == {}


def test_an_engine_that_names_tokens_by_their_text_is_not_asked() -> None:
    assert asking_likeliest("sglang") is None
    assert asking_likeliest("openai") is None


def logs(logits: numpy.ndarray) -> numpy.ndarray:
    (row,) = log_softmax(logits.astype(numpy.float32)[None])
    return numpy.asarray(row)


def told_of(logits: numpy.ndarray, count: int) -> dict[int, float]:
    other = logs(logits)
    return {int(token): float(other[token]) for token in other.argsort()[-count:]}


def test_equal_distributions_are_at_no_distance() -> None:
    logits = RANDOM.normal(size=500) * 3
    assert coarse_divergence(logs(logits), told_of(logits, 20)) == pytest.approx(0.0, abs=1e-9)


def test_what_is_found_is_never_more_than_there_is_and_all_of_it_where_all_is_told() -> None:
    own, other = RANDOM.normal(size=200) * 3, RANDOM.normal(size=200) * 3
    whole = float((numpy.exp(logs(own)) * (logs(own) - logs(other))).sum())
    found = [coarse_divergence(logs(own), told_of(other, count)) for count in (1, 5, 20, 200)]
    assert found == sorted(found)
    assert found[0] > 0.01
    assert found[-1] == pytest.approx(whole, rel=1e-6)


def test_minus_infinity_diverges_infinitely() -> None:
    assert coarse_divergence(logs(numpy.zeros(4)), {0: -math.inf}) == math.inf


def test_positions_are_asked_as_far_as_the_context_goes_the_farthest_among_them() -> None:
    passage = Passage(token_ids=tuple(range(128)), positions=tuple(range(128)))
    ((*asked,),) = asked_positions([passage], 64)
    assert len(asked) <= 12
    assert asked[-1] == 61
    assert asked_positions([passage], 2) == ((),)


def test_only_what_was_asked_is_summed_up() -> None:
    passage = Passage(token_ids=tuple(range(128)), positions=tuple(range(128)))
    found = PositionDivergences(
        kl=(0.0, 0.5), agreed=(True, False), likeliest=20, asked=((10, 60),)
    )
    compared = Comparison(passages=(passage,), found=found, compute_dtype="float32", unreached=())
    measured = summary(compared, ROUNDING)
    assert (measured.positions, measured.mean_kl, measured.begins) == (2, 0.25, 60)
    assert (measured.longest_tokens, measured.worst.first, measured.worst.last) == (61, 10, 60)


def test_a_server_that_does_not_say_what_it_computes_in_may_compute_in_bfloat16() -> None:
    assert rounding_of("float32", "unknown") == ROUNDING_BFLOAT16


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def kept_logits(folder: Path, rows: numpy.ndarray) -> Path:
    def produce(staging: Path) -> CheckpointLogits:
        rows.astype(numpy.float32).tofile(staging / LOGITS_FILE)
        return CheckpointLogits(vocabulary_size=rows.shape[1], positions=rows.shape[0])

    produce_once(folder, CheckpointLogits, produce)
    return folder


def likeliest_first(engine: str, value: object) -> Fault:
    if engine == "vllm":
        return Fault(patch={"choices": [{"text": "x", "logprobs": {"top_logprobs": [value]}}]})
    rows = [{"id": 3, "token": "x", "logprob": value}]
    told = {"content": [{"id": 3, "top_logprobs": rows}]}
    return Fault(patch={"choices": [{"text": "x", "logprobs": told}]})


NAN = b'{"error": {"message": "Out of range float values are not JSON compliant: nan"}}'


@pytest.mark.parametrize(
    ("engine", "sound", "broken"),
    [
        (
            "llama-server",
            likeliest_first("llama-server", 0.0),
            likeliest_first("llama-server", None),
        ),
        ("vllm", likeliest_first("vllm", {"token_id:3": 0.0}), Fault(status=400, body=NAN)),
    ],
)
def test_no_number_at_a_later_position_diverges_infinitely_and_is_no_silence(
    site: Site, engine: str, sound: Fault, broken: Fault
) -> None:
    sure = numpy.where(numpy.arange(8) == 3, 50.0, 0.0)
    logits = kept_logits(site.folder / "logits", numpy.stack([sure, sure]))
    passage = Passage(token_ids=(1, 2, 3), positions=(0, 1))
    with fake_server(site.engine(engine=engine, faults=[sound, broken])) as url:
        request = BaseDivergenceRequest(
            base=site.loadable,
            checkpoint_logits=CheckpointLogitsCall(
                checkpoint=site.folder,
                passages=(passage,),
                compute_dtype="float32",
                output=logits,
            ),
            threads=1,
            log=site.folder / "log",
            context_tokens=64,
        )
        serving = site.serving(site.server(url=url, engine=engine))
        found = measure(Served(serving=serving, request=request), ignore_progress)
    assert found.kl == pytest.approx((0.0, math.inf), abs=1e-6)
    assert found.agreed == (True, False)
