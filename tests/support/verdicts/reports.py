"""A made-up but realistic build: one base, six recipes, a support-desk suite with real grading."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    Format,
    GgufOptions,
    Numerics,
    Recipe,
)
from quantgate.pipelines.domain.run import Answer, Run, RunContract, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.suites.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from quantgate.pipelines.domain.values import JsonValue, digest_of
from quantgate.pipelines.domain.variant import (
    BuildFacts,
    QuantizedTensor,
    Toolchain,
    ToolVersion,
    Variant,
)
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.evaluation.order import reliable_margins
from quantgate.pipelines.gates.judge import audit_failure, judge
from quantgate.pipelines.report.build_report import BuildReport, ReferenceReport, VariantReport
from quantgate.pipelines.report.predictions.divergence import ExpectedDivergence
from quantgate.pipelines.report.predictions.predicted import Learned, predicted
from tests.support.grading.items import expecting

POLICY = Policy(critical_slices=("refusal",))
LLAMACPP = RuntimeIdentity(
    engine="llamacpp",
    version="0.3.36",
    device="cpu",
    kv_cache="f16",
    compute_dtype="f32",
    kernels="native",
)
TRANSFORMERS = replace(LLAMACPP, engine="transformers", version="5.17.0", kernels="reference")
EMULATED = replace(TRANSFORMERS, kernels="emulated")
SLICES = {
    "flat": 80,
    "five-arguments": 60,
    "nested": 50,
    "numeric": 50,
    "multilingual": 60,
    "long-context": 40,
    "refusal": 40,
    "injection": 40,
    "tail": 20,
}
DIGESTS = CheckpointDigests(
    weights=digest_of("weights"),
    tokenizer=digest_of("tokenizer"),
    chat_template=digest_of("chat template"),
    config=digest_of("config"),
)
CHECKPOINT = Checkpoint(
    name="support-llama",
    source="examples/support-desk/checkpoint",
    folder=Path("checkpoint"),
    digests=DIGESTS,
    architecture="LlamaForCausalLM",
    dtype="float16",
    parameter_count=3_400_000,
    size_bytes=6_812_416,
    context_length_tokens=512,
    tensors=(),
)
CORPUS = Corpus(
    name="support-traffic",
    version=1,
    digest=digest_of("corpus"),
    sequence_count=1200,
    folder=Path("corpus"),
)
NAMES = ("Ada Lindqvist", "Tomás Okafor", "Ирина Ковальчук", "Nguyễn Thị Hoa", "Siiri Mäkelä")
TOOLS = ("create_ticket", "refund_order", "change_address", "track_parcel")


def example_suite(sizes: Mapping[str, int] = SLICES, *, seed: int = 1) -> Suite:
    """A suite with so many items a slice."""
    random_source = random.Random(seed)
    items = tuple(
        _item(f"{name}-{index:03d}", name, random_source)
        for name, count in sizes.items()
        for index in range(count)
    )
    return Suite(
        name="support-desk",
        version=3,
        description="one tool call for a support message",
        folder=Path("suite"),
        digest=digest_of(["support-desk", dict(sizes), seed]),
        grader=GraderSpec(kind="tool_call"),
        decode=DecodeSettings(max_tokens=160),
        slices=tuple(SliceSpec(name=name, description=f"{name} items") for name in sizes),
        items=items,
    )


def example_run(
    suite: Suite,
    *,
    subject: str,
    damage: Mapping[str, float],
    runtime: RuntimeIdentity = LLAMACPP,
    seed: int = 0,
    like: Run | None = None,
) -> Run:
    """A run that answers wrongly at a rate a slice; with `like`, what that run got wrong stays wrong."""
    random_source = random.Random(f"{subject} {seed}")
    grader = grader_for(suite.grader)
    texts = []
    for index, item in enumerate(suite.items):
        wrong_before = like is not None and not like.answers[index].grade.correct
        text = json.dumps(item.expected, ensure_ascii=False)
        if like is not None and wrong_before and random_source.random() > 0.2:
            text = like.answers[index].answer.text
        elif random_source.random() < damage.get(item.slices[0], damage.get("*", 0.0)):
            text = _damaged(item, random_source)
        texts.append(text)
    return Run(
        key=digest_of([subject, runtime.engine, seed]),
        subject=subject,
        subject_digest=digest_of([subject, runtime.engine]),
        contract=RunContract(
            suite_digest=suite.digest,
            prompts_digest=digest_of("prompts"),
            decode=suite.decode,
            runtime=runtime,
            schedule=Schedule(slots=16, threads=2, order_seed=seed),
        ),
        answers=tuple(
            grade_answer(
                grader,
                Answer(
                    item_id=item.id,
                    text=text,
                    token_ids=tuple(range(len(text) // 4)),
                    finish_reason="stop",
                    prompt_tokens=90,
                    margin=round(random.Random(item.id).expovariate(0.2), 3),
                ),
                item,
            )
            for item, text in zip(suite.items, texts, strict=True)
        ),
        seconds=31.5,
    )


def repeat(run: Run, *, seed: int, other: Mapping[str, str]) -> Run:
    """An A/A repeat of a run in which some items (by id) got another text."""
    grader = grader_for(GraderSpec(kind="tool_call"))
    answers = tuple(
        grade_answer(
            grader,
            replace(graded.answer, text=other[graded.answer.item_id]),
            expecting("none"),
        )
        if graded.answer.item_id in other
        else graded
        for graded in run.answers
    )
    schedule = replace(run.contract.schedule, order_seed=seed)
    contract = replace(run.contract, schedule=schedule)
    return replace(run, key=f"{run.key}-{seed}", contract=contract, answers=answers)


def recipe(name: str, numerics: str, *, runtime: str = "llamacpp") -> Recipe:
    """A recipe called `name` with numerics like `Q4_K/8-bit blocks/f16`."""
    weights, activations, kv_cache = numerics.split("/")
    return Recipe(
        name=name,
        description="made up for a test",
        scheme=name,
        algorithm="k-quant",
        format=Format.GGUF if runtime == "llamacpp" else Format.COMPRESSED_TENSORS,
        numerics=Numerics(weights=weights, activations=activations, kv_cache=kv_cache),
        runtime=runtime,
        calibration=Calibration.IMATRIX,
        calibration_tokens=50_000,
        bits_per_weight=BitsPerWeight(low=2.0, high=9.0),
        options=GgufOptions(file_type=name),
    )


def built(made_from: Recipe, *, size_bytes: int, bits: float) -> Variant:
    """A sealed variant of a recipe."""
    return Variant(
        identifier=f"support-llama--{made_from.name}",
        key=digest_of(made_from.name),
        recipe=made_from,
        base=DIGESTS,
        corpus_label=CORPUS.label,
        corpus_digest=CORPUS.digest,
        toolchain=Toolchain(
            tools=(ToolVersion(name="llama-cpp-python", version="0.3.36"),),
            device="cpu",
            threads=2,
        ),
        facts=BuildFacts(
            tensors=(
                QuantizedTensor(
                    name="blk.0.attn_q.weight",
                    type="Q4_K",
                    parameter_count=65536,
                    bits_per_weight=bits,
                    quantized=True,
                ),
            ),
            promised=("blk.0.attn_q.weight",),
            calibration_sequences=1200,
            calibration_tokens=49_812,
            nonfinite_tensors=(),
            warnings=(),
            seconds=4.2,
            peak_memory_bytes=412_000_000,
        ),
        folder=Path("variant"),
        artifact=Path("variant/model.gguf"),
        files_digest=digest_of([made_from.name, "files"]),
        manifest_digest=digest_of([made_from.name, "manifest"]),
        size_bytes=size_bytes,
    )


def audit(*, quantized: str = "28 of 28 layers") -> AuditReport:
    """An audit that passes unless another share of layers is quantized."""
    return AuditReport(
        findings=(
            AuditFinding(
                check="quantized layers",
                passed=quantized == "28 of 28 layers",
                promised="28 of 28 layers",
                found=quantized,
            ),
            AuditFinding(
                check="finite weights", passed=True, promised="no NaN or Inf", found="none"
            ),
            AuditFinding(
                check="token ids",
                passed=True,
                promised="as the base's on 1640 texts",
                found="equal on 1640",
            ),
        )
    )


def example_report(sizes: Mapping[str, int] = SLICES) -> BuildReport:
    """Six variants: two pass, one is inconclusive, one fails on breaks, one its audit, one its build."""
    suite = example_suite(sizes)
    base_damage = {"numeric": 0.1, "multilingual": 0.03, "tail": 0.1, "*": 0.01}
    base = example_run(suite, subject="support-llama", damage=base_damage)
    other_base = example_run(
        suite, subject="support-llama", damage={"*": 0.008}, runtime=TRANSFORMERS, like=base
    )
    unsure = {base.answers[0].answer.item_id: "Sure, I can help with that."}
    references = (
        ReferenceReport(
            runs=(base, repeat(base, seed=1, other={}), repeat(base, seed=2, other=unsure))
        ),
        ReferenceReport(runs=(other_base, repeat(other_base, seed=1, other={}))),
    )
    broken = recipe("GPTQ_W4A16", "int4 g128/bf16/bf16", runtime="transformers")
    untouched = recipe("NVFP4", "fp4 g16/fp4 g16/bf16", runtime="transformers")
    q8 = built(recipe("Q8_0", "Q8_0/8-bit blocks/f16"), size_bytes=3_652_800, bits=8.5)
    q4 = built(recipe("Q4_K_M--imatrix", "Q4_K/8-bit blocks/f16"), size_bytes=2_214_000, bits=4.85)
    q2 = built(recipe("Q2_K", "Q2_K/8-bit blocks/f16"), size_bytes=1_641_000, bits=2.96)
    fp8 = built(
        recipe("FP8_DYNAMIC", "fp8/fp8/bf16", runtime="transformers"),
        size_bytes=3_910_000,
        bits=8.01,
    )
    fp8_damage = {"numeric": 0.06, "five-arguments": 0.04, "refusal": 0.0, "*": 0.01}
    q2_damage = {"flat": 0.05, "refusal": 0.02, "*": 0.22}
    q4_damage = {"multilingual": 0.02, "refusal": 0.0, "*": 0.0}
    variants = (
        judged(suite, q8, references[0], {"refusal": 0.0, "*": 0.002}, version="2"),
        judged(suite, q4, references[0], q4_damage, version="3"),
        judged(suite, q2, references[0], q2_damage),
        judged(suite, fp8, references[1], fp8_damage),
        VariantReport(
            identifier=f"support-llama--{broken.name}",
            recipe=broken,
            variant=None,
            audit=None,
            verdict=None,
            failure="quantgate.pipelines.engines.llmcompressor.workers.compress: was killed by SIGKILL"
            " (often: out of memory)\n  log:  .quantgate/logs/GPTQ_W4A16.log",
        ),
        _failed_audit(suite, untouched, other_base),
    )
    return BuildReport(
        build="support-llama--support-desk--4be19c02aa17",
        created_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        checkpoint=CHECKPOINT,
        corpora=(CORPUS,),
        suite=suite,
        policy=POLICY,
        references=references,
        variants=variants,
    )


def judged(
    suite: Suite,
    variant: Variant,
    reference: ReferenceReport,
    damage: Mapping[str, float],
    *,
    version: str | None = None,
    texts: Sequence[str] = (),
) -> VariantReport:
    """A variant that was asked, in the runtime of its format; `texts` replace its first answers."""
    run = example_run(
        suite,
        subject=variant.identifier,
        damage=damage,
        runtime=LLAMACPP if variant.recipe.runtime == "llamacpp" else EMULATED,
        like=reference.primary,
    )
    grader = grader_for(suite.grader)
    answers = tuple(
        grade_answer(grader, replace(graded.answer, text=text), item)
        for graded, item, text in zip(run.answers, suite.items, texts, strict=False)
    )
    run = replace(run, answers=(*answers, *run.answers[len(answers) :]))
    verdict = judge(
        suite=suite,
        policy=POLICY,
        audit=audit(),
        reference_runs=reference.runs,
        variant_run=run,
    )
    return VariantReport(
        identifier=variant.identifier,
        recipe=variant.recipe,
        variant=variant,
        audit=audit(),
        verdict=verdict,
        registered_version=version,
        prediction=predicted(
            reliable_margins(reference.runs),
            ExpectedDivergence(divergence=0.01, taken_from="a test"),
            Learned(),
        ),
    )


def _failed_audit(suite: Suite, made_from: Recipe, reference: Run) -> VariantReport:
    variant = built(made_from, size_bytes=6_790_000, bits=16.0)
    missed = audit(quantized="0 of 28 layers")
    return VariantReport(
        identifier=variant.identifier,
        recipe=made_from,
        variant=variant,
        audit=missed,
        verdict=audit_failure(
            subject=variant.identifier,
            suite=suite,
            policy=POLICY,
            audit=missed,
            contract=reference.contract,
            reference_key=reference.key,
        ),
    )


def _item(item_id: str, name: str, random_source: random.Random) -> Item:
    customer = random_source.choice(NAMES)
    order = random_source.randrange(10_000, 99_999)
    expected: JsonValue = {
        "name": random_source.choice(TOOLS),
        "arguments": {
            "customer": customer,
            "order_id": order,
            "reason": random_source.choice(("damaged", "late", "wrong item")),
            "contact": {"channel": random_source.choice(("mail", "phone")), "urgent": False},
        },
    }
    filler = " We moved house twice since and nobody at the depot remembers us." * 12
    return Item(
        id=item_id,
        messages=(
            Message(role="system", content="Answer with one tool call."),
            Message(
                role="user",
                content=f"Hello, {customer} here about order {order}."
                f"{filler if name == 'long-context' else ''} It was not what I asked for.",
            ),
        ),
        expected=expected,
        slices=(name,),
    )


def _damaged(item: Item, random_source: random.Random) -> str:
    text = json.dumps(item.expected, ensure_ascii=False)
    digits = [index for index, character in enumerate(text) if character.isdigit()]
    at = random_source.choice(digits)
    return random_source.choice(
        (
            f"{text[:at]}{(int(text[at]) + 3) % 10}{text[at + 1 :]}",
            text.replace('"urgent": false', '"urgent": true'),
            text.replace(", ", " ", 1),
            text.replace('"channel"', '"chanel"'),
            f"{text[: at + 1]}" + "0" * 40,
            f"Sure! {text}",
        )
    )
