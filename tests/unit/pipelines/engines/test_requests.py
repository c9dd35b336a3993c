"""Requests go to workers as JSON files, and come out as what they were."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import Toolchain, ToolVersion
from quantgate.pipelines.domain.verdicts.ruler import Grid, Ruler
from quantgate.pipelines.engines.backend import BuildRequest, CalibrationTokens
from quantgate.pipelines.engines.divergence.base_messages import CheckpointLogitsCall, Passage
from quantgate.pipelines.engines.divergence.rulers import RulersRequest
from quantgate.pipelines.engines.llmcompressor.layouts import RepackRequest
from quantgate.pipelines.engines.openai.messages import Served, Serving
from quantgate.pipelines.engines.openai.process import StartedServer
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    BaseDivergenceRequest,
    DivergenceRequest,
    Loadable,
    ProbeRequest,
)
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.fakes import fake_checkpoint

MODEL, LOG = Loadable(path=Path("/m.gguf"), format=Format.GGUF, kv_cache="q8_0"), Path("/log")
ANSWERS = AnswerRequest(
    loadable=MODEL,
    prompts=Path("/prompts.jsonl"),
    answers=Path("/answers.jsonl"),
    decode=DecodeSettings(max_tokens=5),
    stop_token_ids=(1, 2),
    schedule=Schedule(slots=4, threads=2),
    log=LOG,
    context_tokens=64,
)
PROBE = ProbeRequest(loadable=MODEL, texts=Path("/texts.jsonl"), threads=2, log=LOG)
DIVERGENCE = DivergenceRequest(
    base=replace(MODEL, kv_cache="f16"),
    variant=MODEL,
    sequences=Path("/sequences.jsonl"),
    max_tokens=9,
    threads=2,
    log=LOG,
    base_logits=Path("/logits"),
)
BASE_DIVERGENCE = BaseDivergenceRequest(
    base=MODEL,
    checkpoint_logits=CheckpointLogitsCall(
        checkpoint=Path("/checkpoint"),
        passages=(Passage(token_ids=(1, 2), positions=(0, 1)),),
        compute_dtype="float32",
        output=Path("/own"),
    ),
    threads=2,
    log=LOG,
    context_tokens=64,
)
RULERS = RulersRequest(
    base=Path("/checkpoint"),
    rulers=(Ruler(label="int8", weights=Grid(values="integer", shared_by="row", bits=8)),),
    sequences=Path("/sequences.jsonl"),
    max_tokens=9,
    threads=2,
    log=LOG,
)
SERVING = Serving(
    server=Server(name="here", engine="vllm", formats=(Format.GGUF,), version="1", command=("v",)),
    loadable=MODEL,
    threads=2,
    context_tokens=64,
    server_log=LOG,
    running=StartedServer(
        engine="vllm",
        url="http://127.0.0.1:9",
        log=LOG,
        log_start_bytes=3,
        status=Path("/status"),
        guard=7,
    ),
)


def sent(request: object, kind: type, folder: Path) -> object:
    """A request as the worker of this kind of requests reads it."""
    write_record(folder / "request.json", request)
    return read_record(kind, folder / "request.json")


@pytest.mark.parametrize("request_", [ANSWERS, PROBE, DIVERGENCE, BASE_DIVERGENCE, RULERS])
def test_a_runtimes_request_comes_as_it_was_sent(request_: object, tmp_path: Path) -> None:
    assert sent(request_, type(request_), tmp_path) == request_


def test_a_request_comes_with_the_server_that_is_to_be_asked(tmp_path: Path) -> None:
    answers = Served(serving=SERVING, request=ANSWERS)
    probe = Served(serving=SERVING, request=PROBE)
    divergence = Served(serving=SERVING, request=BASE_DIVERGENCE)
    assert sent(answers, Served[AnswerRequest], tmp_path) == answers
    assert sent(probe, Served[ProbeRequest], tmp_path) == probe
    assert sent(divergence, Served[BaseDivergenceRequest], tmp_path) == divergence


@pytest.mark.parametrize("recipe", catalogue(), ids=lambda recipe: str(recipe.name))
def test_a_build_of_every_recipe_comes_as_it_was_sent(recipe: Recipe, tmp_path: Path) -> None:
    corpus = CalibrationTokens(
        file=Path("/tokens.jsonl"),
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=2,
        token_count=20,
        max_length_tokens=10,
    )
    build = BuildRequest(
        checkpoint=fake_checkpoint(tmp_path / "base"),
        recipe=recipe,
        calibration=corpus,
        output=Path("/output"),
        scratch=Path("/scratch"),
        log=LOG,
        toolchain=Toolchain(tools=(ToolVersion(name="a", version="1"),), device="cpu", threads=2),
    )
    assert sent(build, BuildRequest, tmp_path) == build
    repack = RepackRequest(build=replace(build, calibration=None), compressed=Path("/compressed"))
    assert sent(repack, RepackRequest, tmp_path) == repack
