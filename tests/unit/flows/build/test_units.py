"""The road of a build with fakes at the seams: planning, resuming, judging, failing."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.errors import (
    forget_error,
    forget_errors,
    is_refused,
    read_errors,
    record_error,
)
from quantgate.flows.build.plan_files import read_plan, write_plan
from quantgate.flows.build.preflight.prompts import rendered_suite
from quantgate.flows.build.references import primary_reference, run_references
from quantgate.flows.build.verdicts import evidence, results_of, verdict
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import CheckpointError, InputError, WorkerError
from quantgate.pipelines.domain.recipe import GgufOptions
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.rulers import RulersRequest
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.evaluation.runs import seconds_so_far
from quantgate.pipelines.files.sealed_values import Missing, required
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, ignore_progress, start_nothing
from quantgate.pipelines.specs.kv_caches import over_kv_caches
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import plan_variant
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import audited, judged
from tests.support.fakes import FakeBackend, FakeRuntime, fake_checkpoint, fake_rulers


def test_a_variant_that_breaks_nothing_passes_and_one_that_breaks_a_third_fails(
    tmp_path: Path,
) -> None:
    runtime = FakeRuntime(wrong={"Q2_K": {f"i{n}" for n in range(13)}})
    here = faked_build(tmp_path, FakeBackend(), runtime)
    for planned in here.plan.variants:
        units.build_files(here, planned)
    decisions = [judged(here, planned).verdict.decision for planned in here.plan.variants]
    assert decisions == [Decision.PASS, Decision.FAIL]


def test_nothing_is_asked_or_built_twice(tmp_path: Path) -> None:
    backend, runtime = FakeBackend(), FakeRuntime()
    for _ in range(2):
        here = faked_build(tmp_path, backend, runtime)
        for planned in here.plan.variants:
            units.build_files(here, planned)
            judged(here, planned)
    assert sorted(backend.built) == ["Q2_K", "Q8_0"]
    runs = 2 + len(here.plan.variants)
    assert len(runtime.asked) == runs * 40


def test_answers_that_are_alike_are_graded_once(tmp_path: Path) -> None:
    runtime = FakeRuntime(wrong={"Q2_K": {"i0", "i1"}})
    here = faked_build(tmp_path, FakeBackend(), runtime)
    for planned in here.plan.variants:
        units.build_files(here, planned)
        judged(here, planned)
    assert len(here.suite_runs.known_grades) == 40 + 2


def test_the_bases_logits_are_kept_for_all_variants_of_a_runtime(tmp_path: Path) -> None:
    def kept(name: str, runtime: FakeRuntime, *, threads: int = 1) -> set[Path | None]:
        here = faked_build(tmp_path / name, FakeBackend(), runtime)
        here = replace(here, settings=replace(here.settings, threads=threads))
        for planned in here.plan.variants:
            units.build_files(here, planned)
            audited(here, planned)
        assert len(runtime.measured) == 2
        return {
            request.base_logits and request.base_logits.relative_to(here.scratch)
            for request in runtime.measured
        }

    (one,) = kept("one", FakeRuntime())
    (same,) = kept("same", FakeRuntime(wrong={"Q2_K": {"i0"}}))
    (newer,) = kept("newer", FakeRuntime(measured_by="fake 2"))
    (wider,) = kept("wider", FakeRuntime(), threads=2)
    assert one is not None
    assert one == same
    assert len({one, newer, wider}) == 3


@pytest.mark.parametrize(("measured_by", "shared"), [("fake 1", True), ("another", False)])
def test_rulers_keep_the_bases_logits_only_for_variants_that_ask_for_them(
    tmp_path: Path, measured_by: str, shared: bool
) -> None:
    calls: list[RulersRequest] = []

    def listening(
        request: RulersRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> tuple[Divergence, ...]:
        calls.append(request)
        return fake_rulers(request, run_worker, on_progress)

    runtime = FakeRuntime(measured_by=measured_by)
    here = faked_build(tmp_path, FakeBackend(), runtime)
    here = replace(here, tools=replace(here.tools, measure_rulers=listening))
    first = here.plan.variants[0]
    units.build_files(here, first)
    audited(here, first)

    asked = runtime.measured[0].base_logits
    assert [call.base_logits for call in calls] == [asked if shared else None]


def test_a_run_that_an_earlier_try_began_says_nothing_of_speed(tmp_path: Path) -> None:
    def speed(name: str, *, stop_after: int | None) -> float | None:
        runtime = FakeRuntime()
        here = faked_build(tmp_path / name, FakeBackend(), runtime)
        planned = here.plan.variants[0]
        units.build_files(here, planned)
        audited(here, planned)
        if stop_after is not None:
            runtime.stop_after = len(runtime.asked) + stop_after
            with pytest.raises(WorkerError):
                units.answer(here, planned)
        units.answer(here, planned)
        return evidence(here, planned).tokens_per_second

    whole = speed("whole", stop_after=None)
    assert whole is not None
    assert whole > 0
    assert speed("resumed", stop_after=5) is None


def test_an_interrupted_run_resumes_by_item(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    here = faked_build(tmp_path, FakeBackend(), runtime)
    runtime.stop_after = 25
    with pytest.raises(WorkerError, match="SIGKILL"):
        run_references(here, "llamacpp")
    run_references(here, "llamacpp")
    assert len(runtime.asked) == 2 * 40
    assert not list((tmp_path / "store" / "unfinished").iterdir())


def test_a_crashed_build_leaves_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(fail_on=("Q8_0",)), FakeRuntime())
    broken, sound = here.plan.variants
    with pytest.raises(WorkerError, match="crashed"):
        units.build_files(here, broken)
    assert not broken.folder(here.settings.store).exists()
    assert not list((tmp_path / "store" / "variants").glob(".*.staging-*"))
    units.build_files(here, sound)
    assert judged(here, sound).verdict.decision is Decision.PASS


def test_a_variant_that_does_not_load_fails_without_being_asked(tmp_path: Path) -> None:
    runtime = FakeRuntime(probe_detail="tensor data is truncated")
    here = faked_build(tmp_path, FakeBackend(), runtime)
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    judgement = judged(here, planned)
    audit, verdict = judgement.audit, judgement.verdict
    assert verdict.decision is Decision.FAIL
    assert "tensor data is truncated" in verdict.reasons[0]
    assert not audit.passed
    assert len(runtime.asked) == 2 * 40, "only the reference was asked"


def test_an_altered_variant_is_noticed_before_it_is_asked(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    planned = here.plan.variants[0]
    variant = units.build_files(here, planned)
    variant.artifact.write_text("another model")
    with pytest.raises(InputError, match=r"model\.gguf: a sealed file was altered"):
        judged(here, planned)


def test_an_altered_transcript_is_noticed(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    run_references(here, "llamacpp")
    transcript = next((tmp_path / "store" / "runs").glob("*/transcript.jsonl"))
    transcript.write_text(transcript.read_text().replace("right", "wrong", 1))
    with pytest.raises(InputError, match="altered"):
        run_references(faked_build(tmp_path, FakeBackend(), FakeRuntime()), "llamacpp")


def test_a_variant_is_shown_as_audited_once(tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []

    @contextmanager
    def listed(step: str, identifier: str) -> Iterator[OnProgress]:
        shown.append((step, identifier))
        yield ignore_progress

    here = replace(faked_build(tmp_path, FakeBackend(), FakeRuntime()), show=listed)
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    audited(here, planned)
    assert shown.count(("audit", planned.identifier)) == 1


def test_a_run_is_read_and_graded_once_a_process(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    asked = run_references(here, "llamacpp")
    assert required(primary_reference(here, "llamacpp")) is asked[0]
    assert all(a is b for a, b in zip(asked, run_references(here, "llamacpp"), strict=True))
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    units.audit(here, planned)
    answered = units.answer(here, planned)
    assert required(units.sealed_run(here, planned)) is answered


def test_a_verdict_runs_nothing_and_says_what_is_missing(tmp_path: Path) -> None:
    backend, runtime = FakeBackend(), FakeRuntime()
    here = faked_build(tmp_path, backend, runtime)
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    before = results_of(here, planned)
    assert (before.base, before.references) == (Missing("base in llamacpp"),) * 2
    assert (before.audit, before.runs) == (
        Missing(f"audit {planned.identifier}"),
        Missing(f"answer {planned.identifier}"),
    )
    with pytest.raises(InputError, match="is not sealed"):
        verdict(here.plan, planned, before)
    assert not runtime.asked and not runtime.measured

    decision = judged(here, planned).verdict.decision
    asked, measured = list(runtime.asked), list(runtime.measured)
    anew = replace(here, tools=replace(here.tools, run_worker=start_nothing))
    assert verdict(anew.plan, planned, results_of(anew, planned)).verdict.decision is decision
    assert (runtime.asked, runtime.measured) == (asked, measured)


def test_an_audit_reads_no_more_than_the_primary_reference(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    _, repeat = run_references(here, "llamacpp")
    anew = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    shutil.rmtree(next((tmp_path / "store" / "runs").glob(f"demo-*{repeat.key[:12]}*")))
    planned = anew.plan.variants[0]
    units.build_files(anew, planned)
    assert audited(anew, planned).passed


def test_a_plan_survives_being_written_and_read(tmp_path: Path) -> None:
    plan = faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan
    assert read_plan(write_plan(plan, Store(root=tmp_path / "store"))) == plan


def test_shapes_that_do_not_fit_are_refused_while_planning(tmp_path: Path) -> None:
    backend = FakeBackend(misfit=("layer.weight: 100 columns, not divisible by 256",))
    checkpoint = fake_checkpoint(tmp_path / "model")
    recipe = find_recipes(("Q2_K",), Path())[0]
    with pytest.raises(CheckpointError, match=r"demo--Q2_K: does not fit .* 100 columns"):
        plan_variant(checkpoint, recipe, None, backend, 1)


def test_a_calibrated_recipe_needs_a_corpus(tmp_path: Path) -> None:
    recipe = find_recipes(("Q4_K_M--imatrix",), Path())[0]
    with pytest.raises(CheckpointError, match="names no corpus"):
        plan_variant(fake_checkpoint(tmp_path / "model"), recipe, None, FakeBackend(), 1)


def test_what_failed_is_kept_until_the_next_try(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    record_error(here, "demo--Q2_K", "build", WorkerError("crashed", log=Path("a.log")))
    errors = read_errors(here.plan, here.settings)
    assert [(e.identifier, e.step, e.exit_code) for e in errors] == [("demo--Q2_K", "build", 5)]
    assert "a.log" in errors[0].text
    forget_errors(here.plan, here.settings)
    assert not read_errors(here.plan, here.settings)


def test_a_unicode_line_separator_in_an_answer_does_not_split_its_line(tmp_path: Path) -> None:
    runtime = FakeRuntime(wrong_text="wrong\u2028\u0085answer", wrong={"Q8_0": {"i0"}})
    here = faked_build(tmp_path, FakeBackend(), runtime)
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    verdict = judged(here, planned).verdict
    assert verdict.items[0].variant.answer.text == "wrong\u2028\u0085answer"


def test_an_error_is_forgotten_when_a_retry_succeeds(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    record_error(here, "demo--Q2_K", "register", WorkerError("no answer"))
    forget_error(here, "demo--Q2_K")
    forget_error(here, "demo--Q2_K")
    assert not read_errors(here.plan, here.settings)


def test_a_base_whose_conversion_swapped_the_template_is_refused(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(template="another template"))
    with pytest.raises(CheckpointError, match="chat template"):
        run_references(here, "llamacpp")


def test_variants_that_differ_in_their_cache_share_files_and_have_verdicts_of_their_own(
    tmp_path: Path,
) -> None:
    backend, runtime = FakeBackend(), FakeRuntime()
    here = faked_build(tmp_path, backend, runtime)
    recipes = over_kv_caches(find_recipes(("Q8_0",), Path()), ("f16", "q8_0"))
    variants = tuple(plan_variant(here.plan.checkpoint, r, None, backend, 1) for r in recipes)
    here = replace(here, plan=replace(here.plan, variants=variants))
    built = [units.build_files(here, planned) for planned in reversed(variants)]
    assert backend.built == ["Q8_0--kv_q8_0"], "whoever comes first builds for all"
    assert built[0].folder == built[1].folder
    for planned in variants:
        assert here.open(planned).recipe == planned.recipe, "the caller's, not the builder's"
        assert here.open(planned).key == planned.key
        verdict = judged(here, planned).verdict
        assert verdict.decision is Decision.PASS
        assert verdict.subject == planned.identifier
        assert verdict.contract.runtime.kv_cache == planned.recipe.kv_cache
    assert len(runtime.asked) == (2 + 2) * 40, "the reference twice, each variant once"


def test_what_does_not_change_a_byte_builds_nothing_anew(tmp_path: Path) -> None:
    backend = FakeBackend()
    here = faked_build(tmp_path, backend, FakeRuntime())
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    reworded = replace(planned, recipe=replace(planned.recipe, description="other words"))
    assert reworded.key != planned.key
    units.build_files(here, reworded)
    assert isinstance(planned.recipe.options, GgufOptions)
    other = replace(planned.recipe.options, file_type="Q4_0")
    changed = replace(planned, recipe=replace(planned.recipe, options=other))
    units.build_files(here, changed)
    assert backend.built == ["Q8_0", "Q8_0"]


def test_a_verdict_without_a_run_carries_the_contract_it_would_have_had(tmp_path: Path) -> None:
    backend = FakeBackend()
    here = faked_build(tmp_path, backend, FakeRuntime(probe_detail="tensor data is truncated"))
    (recipe,) = find_recipes(("Q8_0--kv_q4_0",), Path())
    planned = plan_variant(here.plan.checkpoint, recipe, None, backend, 1)
    here = replace(here, plan=replace(here.plan, variants=(planned,)))
    units.build_files(here, planned)
    verdict = judged(here, planned).verdict
    assert (verdict.run_key, verdict.contract.runtime.kv_cache) == (None, "q4_0")


def test_files_are_not_built_once_the_base_failed_in_every_runtime_that_would_judge_them(
    tmp_path: Path,
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    first, second = here.plan.variants
    elsewhere = replace(first, recipe=replace(first.recipe, name="other", runtime="transformers"))
    plan = replace(here.plan, variants=(first, second, elsewhere))
    here = replace(here, plan=plan)
    assert plan.builder(elsewhere) is first
    error = CheckpointError("is another model there")
    record_error(here, base_in("llamacpp"), "compare", error)
    errors = read_errors(plan, here.settings)
    assert not is_refused(plan, first, errors), "transformers may judge its files"
    assert is_refused(plan, second, errors)
    record_error(here, base_in("transformers"), "compare", error)
    assert is_refused(plan, first, read_errors(plan, here.settings))


def test_a_run_that_cannot_be_read_keeps_no_plan_from_being_shown(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    run_references(here, "llamacpp")
    store, digest = here.settings.store, here.plan.suite.digest
    (first, second) = seconds_so_far(store, digest)
    old = next((store.root / "runs").iterdir()) / "manifest.json"
    manifest = json.loads(old.read_text())
    del manifest["digest"]  # as sealed before manifests had one
    old.write_text(json.dumps(manifest))
    (left,) = seconds_so_far(store, digest)
    assert left in (first, second)


def test_a_suite_is_rendered_once_for_the_plan_and_the_build(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    planned = rendered_suite(here.plan.suite, here.plan.checkpoint)
    again = replace(here, plan=replace(here.plan))  # as a plan file is opened
    assert again.suite_runs.prompts is planned.prompts
    assert again.chat is planned.chat
    other = replace(here.plan.suite, template_variables={"enable_thinking": False})
    assert rendered_suite(other, here.plan.checkpoint) is not planned


def test_what_the_base_says_of_itself_is_read_once_for_all_variants(tmp_path: Path) -> None:
    read: list[Path] = []

    class Reading(FakeRuntime):
        def contents(self, loadable: Loadable) -> Contents:
            read.append(loadable.path)
            return super().contents(loadable)

    here = faked_build(tmp_path, FakeBackend(), Reading())
    for planned in here.plan.variants:
        units.build_files(here, planned)
        audited(here, planned)
    base = here.bench.base("llamacpp").path
    assert len(here.plan.variants) > 1 and read.count(base) == 1
