"""KV-cache types in the real llama.cpp: they are in effect, and cost what a smaller cache may cost."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from quantgate.pipelines.domain.recipe import Format, KvCacheType
from quantgate.pipelines.domain.run import Answer, Schedule
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    DivergenceRequest,
    Loadable,
    ProbeRequest,
)
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.kv_caches import KV_CACHE_TYPES
from quantgate.pipelines.suites.load import load_suite
from tests.support.llamacpp.checkpoints import (
    example_checkpoint,
    f16,
    runtime,
    work_folder,
    write_lines,
)
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

ITEMS = 24


@cache
def prompts() -> Path:
    """The suite's first prompts, which all begin with the same system message."""
    checkpoint = example_checkpoint()
    chat = ChatFormat.of(checkpoint.folder)
    rendered = suite_prompts(load_suite(EXAMPLE / "suite"), chat, checkpoint.context_length_tokens)
    return write_lines(
        work_folder() / "kv-prompts.jsonl", [to_json(p) for p in rendered.prompts[:ITEMS]]
    )


def loadable(kv_cache: KvCacheType) -> Loadable:
    return Loadable(path=f16(example_checkpoint()), format=Format.GGUF, kv_cache=kv_cache)


@cache
def answers(kv_cache: KvCacheType) -> Mapping[str, Answer]:
    """What the full-precision example answers with such a cache; its log is `kv-<type>.log`."""
    checkpoint = example_checkpoint()
    suite = load_suite(EXAMPLE / "suite")
    request = AnswerRequest(
        loadable=loadable(kv_cache),
        prompts=prompts(),
        answers=work_folder() / f"kv-{kv_cache}.jsonl",
        decode=suite.decode,
        stop_token_ids=special_token_ids(checkpoint.folder).end,
        schedule=Schedule(slots=8, threads=1),
        log=work_folder() / f"kv-{kv_cache}.log",
    )
    runtime().answer(request, run_worker, ignore_progress)
    lines = request.answers.read_text().splitlines()
    return {answer.item_id: answer for answer in (from_json(Answer, json.loads(x)) for x in lines)}


@pytest.mark.parametrize("kv_cache", KV_CACHE_TYPES)
def test_llama_cpp_says_that_it_holds_keys_and_values_as_asked(kv_cache: KvCacheType) -> None:
    assert len(answers(kv_cache)) == ITEMS
    log = (work_folder() / f"kv-{kv_cache}.log").read_text()
    assert f"K ({kv_cache})" in log and f"V ({kv_cache})" in log, log[-2000:]


def test_an_8_bit_cache_changes_few_answers_and_a_4_bit_one_at_least_as_many() -> None:
    whole = answers("f16")

    def changed(kv_cache: KvCacheType) -> int:
        return sum(answers(kv_cache)[item].text != whole[item].text for item in whole)

    assert changed("q8_0") <= ITEMS // 8
    assert changed("q4_0") >= changed("q8_0")


@pytest.mark.parametrize("kv_cache", KV_CACHE_TYPES)
def test_a_probe_decodes_with_the_cache_that_will_serve(
    kv_cache: KvCacheType, tmp_path: Path
) -> None:
    texts = write_lines(tmp_path / "t.jsonl", [{"id": "1", "text": "a", "token_ids": [5, 6, 7]}])
    log = tmp_path / "probe.log"
    request = ProbeRequest(loadable=loadable(kv_cache), texts=texts, threads=1, log=log)
    report = runtime().probe(request, run_worker, ignore_progress)
    assert report.loads and report.finite_logits, report.detail
    assert f"K ({kv_cache})" in log.read_text()


def test_what_a_cache_costs_can_be_measured(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in prompts().read_text().splitlines()[:8]]
    sequences = write_lines(
        tmp_path / "s.jsonl", [{"id": r["item_id"], "token_ids": r["token_ids"]} for r in rows]
    )
    path = f16(example_checkpoint())
    drifts: list[float] = []
    for kv_cache in KV_CACHE_TYPES:
        request = DivergenceRequest(
            base=Loadable(path=path, format=Format.GGUF),
            variant=Loadable(path=path, format=Format.GGUF, kv_cache=kv_cache),
            sequences=sequences,
            max_tokens=512,
            threads=1,
            log=tmp_path / f"{kv_cache}.log",
        )
        drifts.append(runtime().divergence(request, run_worker, ignore_progress).mean_kl)
    full, eight, four = drifts
    assert abs(full) < 1e-6 < eight < four
