"""What is refused or said of a checkpoint while planning, and where a base's number is read afterwards."""

from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from threading import Barrier

import pytest
from rich.console import Console

from quantgate.flows.build.preflight.checkpoint import looking_inside
from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.cli.views.result import show_result
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.base_divergence import ROUNDING, audit_base_divergence
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError, QuantgateError
from quantgate.pipelines.domain.foreign import ForeignFile, ForeignOptions
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import Toolchain
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, Stretch
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver
from quantgate.pipelines.engines.loading_report import LoadingReport, ReportLoading
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.report.build_report import BaseReport
from quantgate.pipelines.report.page.rendering import write_page
from quantgate.pipelines.report.result import result_json
from quantgate.pipelines.report.summary import base_rows
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import from_tags, to_tags
from quantgate.registry.tags import NONE
from tests.support.fakes import fake_checkpoint
from tests.support.registered.registries import Sample, evidence_of
from tests.support.verdicts.reports import example_report

WINDOWED = '{"sliding_window": 32, "max_position_embeddings": 512}'
MEASURED = BaseDivergence(
    mean_kl=0.55,
    top1_agreement=0.2,
    positions=512,
    longest_tokens=512,
    stretches=(Stretch(first=0, last=31, mean_kl=1e-7), Stretch(first=32, last=63, mean_kl=0.88)),
    begins=32,
    rounding=ROUNDING,
    compute_dtype="float32",
)
WAIVER = BaseDivergenceWaiver(
    reason="short prompts", who="Ada", expires=date(9999, 1, 1), engine="llama.cpp"
)
BASE = BaseReport(
    runtime="llamacpp",
    engine="llama.cpp",
    finding=audit_base_divergence(MEASURED),
    divergence=MEASURED,
    waiver=WAIVER,
)


def loading(config_json: str, missing: tuple[str, ...] = ()) -> ReportLoading:
    def report(
        checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
    ) -> LoadingReport:
        return LoadingReport(config_json=config_json, missing=missing, misshapen=(), unused=())

    return report


def look(tmp_path: Path, tools: Tools, *recipes: str) -> list[str]:
    said: list[str] = []
    checkpoint = replace(fake_checkpoint(tmp_path / "model"), architecture="MistralForCausalLM")
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    with looking_inside(checkpoint, find_recipes(recipes, Path()), settings, tools, said.append):
        pass
    return said


def equipment(report: ReportLoading) -> Tools:
    return Tools(backends={}, runtimes={}, run_worker=run_worker, report_loading=report)


def test_what_llamacpp_drops_is_said_where_a_gguf_is_asked_for(tmp_path: Path) -> None:
    (said,) = look(tmp_path, equipment(loading(WINDOWED)), "Q8_0")
    assert said.startswith("llama.cpp has no place for sliding_window 32")
    assert look(tmp_path, equipment(loading(WINDOWED)), "FP8_DYNAMIC") == []


def test_missing_weights_are_refused_for_every_recipe(tmp_path: Path) -> None:
    tools = equipment(loading("{}", missing=("model.norm.weight",)))
    for recipe in ("Q8_0", "FP8_DYNAMIC"):
        with pytest.raises(CheckpointError, match=r"model\.norm\.weight is missing"):
            look(tmp_path, tools, recipe)


def test_a_tokenizer_that_llamacpp_cannot_have_names_the_recipes_to_leave_out(
    tmp_path: Path,
) -> None:
    def refuse(*_: object) -> None:
        raise CheckpointError("llama.cpp cannot have this tokenizer", next_step="mend it")

    tools = replace(equipment(loading("{}")), rehearse_conversion=refuse)
    with pytest.raises(CheckpointError) as caught:
        look(tmp_path, tools, "Q8_0", "Q2_K", "FP8_DYNAMIC")
    assert caught.value.next_step == "mend it; or leave out Q8_0, Q2_K"
    assert look(tmp_path, tools, "FP8_DYNAMIC") == []


@pytest.mark.parametrize("others", [("FP8_DYNAMIC",), ()])
def test_ggufs_that_nobody_chose_are_left_out_where_others_are_left(
    tmp_path: Path, others: tuple[str, ...]
) -> None:
    def refuse(*_: object) -> None:
        raise CheckpointError("llama.cpp's converter refuses it: no such setting")

    said: list[str] = []
    tools = replace(equipment(loading("{}")), rehearse_conversion=refuse)
    checkpoint = fake_checkpoint(tmp_path / "model")
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    recipes = find_recipes(("Q8_0", *others), Path())
    with looking_inside(checkpoint, recipes, settings, tools, said.append, chosen=False) as found:
        pass
    variants = [
        PlannedVariant(
            identifier=recipe.name,
            base=checkpoint.digests,
            corpus_label=None,
            recipe=recipe,
            corpus_digest=None,
            toolchain=Toolchain(tools=(), device="cpu", threads=1),
        )
        for recipe in recipes
    ]
    if not others:
        with pytest.raises(CheckpointError, match="no such setting"):
            found.convertible(variants, said.append)
        return
    assert [v.recipe.name for v in found.convertible(variants, said.append)] == list(others)
    assert said == ["Q8_0: left out, for llama.cpp's converter refuses it: no such setting"]


def test_ggufs_of_others_are_tried_once_each_and_refused_together(tmp_path: Path) -> None:
    tried: list[str] = []

    def refuse(made: ForeignOptions, *_: object) -> None:
        tried.append(made.digest)
        if made.digest != "sound":
            raise CheckpointError(f"llama.cpp cannot compute {made.digest}")

    tools = replace(equipment(loading("{}")), try_gguf=refuse)
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    recipes = [made_elsewhere(name) for name in ("sound", "odd", "older")]
    recipes.append(replace(recipes[1], name="odd--kv-q8_0"))
    with (
        pytest.raises(CheckpointError, match="cannot compute odd") as caught,
        looking_inside(fake_checkpoint(tmp_path / "model"), recipes, settings, tools, print),
    ):
        pass
    assert tried == ["sound", "odd", "older"]
    assert "cannot compute older" in caught.value.what
    assert caught.value.next_step == "leave out odd, older"


def made_elsewhere(name: str) -> Recipe:
    file = ForeignFile(path=Path(name), name=name, sha256=Digest(name), size_bytes=1)
    (recipe,) = find_recipes(("Q8_0",), Path())
    options = ForeignOptions(
        source=name,
        files=(file,),
        main_type="Q8_0",
        quantization="",
        bits_per_weight=8.5,
        file_bits_per_weight=8.5,
        weights_bytes=1,
        claims=(),
    )
    return replace(recipe, name=name, options=options)


def test_what_is_wrong_with_the_checkpoint_is_said_rather_than_what_may_follow_from_it(
    tmp_path: Path,
) -> None:
    checkpoint = fake_checkpoint(tmp_path / "model")
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    sound = equipment(loading("{}"))
    broken = equipment(loading("{}", missing=("model.norm.weight",)))
    for tools, told in ((sound, "no such suite"), (broken, "model.norm.weight is missing")):
        with (
            pytest.raises(QuantgateError, match=told),
            looking_inside(checkpoint, (), settings, tools, print),
        ):
            raise InputError("no such suite")


def test_children_look_side_by_side_while_the_rest_is_planned(tmp_path: Path) -> None:
    together = Barrier(3, timeout=20)

    def wait(*_: object) -> None:
        together.wait()

    def report(*_: object, **__: object) -> LoadingReport:
        together.wait()
        return LoadingReport(config_json="{}", missing=(), misshapen=(), unused=())

    tools = replace(equipment(report), rehearse_conversion=wait)
    checkpoint = fake_checkpoint(tmp_path / "model")
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    recipes = find_recipes(("Q8_0",), Path())
    with looking_inside(checkpoint, recipes, settings, tools, print):
        together.wait()


def test_page_result_and_terminal_tell_how_far_each_base_is(tmp_path: Path) -> None:
    report = replace(example_report(), bases=(BASE,))
    write_page(report, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "Against the checkpoint itself" in page and "✕ another model" in page
    assert "base-divergence waived, llama.cpp: short prompts (Ada, until 9999-01-01)" in page
    (told,) = result_json(report)["bases"]  # type: ignore[str-unpack,misc]
    assert told["divergence"]["mean_kl"] == 0.55  # type: ignore[index, call-overload]
    assert told["is_the_checkpoint"] is False  # type: ignore[index, call-overload]
    result = BuildResult(
        name="demo", page=tmp_path, rows=(), errors=(), receipts=(), details={},
        bases=base_rows(report),
    )  # fmt: skip
    written = StringIO()
    show_result(result, Console(file=written, width=200))
    assert (
        "base in llama.cpp: 5.5e-01 nats a token from the checkpoint itself, which is more than "
        "rounding; waived: llama.cpp: short prompts (Ada, until 9999-01-01)" in written.getvalue()
    )


def test_the_registry_tells_the_number_and_the_waiver_and_reads_versions_from_before(
    tmp_path: Path,
) -> None:
    judged = replace(
        evidence_of(Sample(), Store(root=tmp_path)),
        base_divergence=MEASURED,
        base_divergence_waiver=WAIVER,
    )
    tags = to_tags(version_facts(judged))
    assert tags["base_divergence"] == "5.50e-01 nats a token, 8.80e-01 at worst"
    assert "base-divergence: llama.cpp: short prompts (Ada, until 9999-01-01)" in tags["waiver"]
    del tags["base_divergence"]
    assert from_tags(tags, "demo/1").base_divergence == NONE
