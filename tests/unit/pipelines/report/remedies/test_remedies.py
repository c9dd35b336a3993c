"""What to try next follows from what this build measured; what nobody tried is called so."""

from dataclasses import replace

from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Calibration, Format
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.remedies.groups import raised_groups
from quantgate.pipelines.report.remedies.remedies import remedies
from quantgate.pipelines.report.remedies.remedy import Basis
from quantgate.pipelines.specs.kv_caches import in_kv_cache
from tests.support.verdicts.reports import built, example_report, judged, recipe

FOREIGN = ForeignOptions(
    source="org/theirs",
    files=(),
    main_type="Q4_K",
    quantization="",
    bits_per_weight=4.5,
    file_bits_per_weight=4.8,
    weights_bytes=1000,
    claims=(),
)
SIZES = {"flat": 60, "numeric": 60, "refusal": 40}


def tensor(name: str, bits: float) -> QuantizedTensor:
    return QuantizedTensor(
        name=name, type="x", parameter_count=4096, bits_per_weight=bits, quantized=True
    )


def variant(
    report: BuildReport, name: str, *, broken: float, size: int = 1000, **bits: float
) -> VariantReport:
    """A variant judged in llama.cpp that breaks that share of numeric items."""
    made = built(recipe(name, f"{name}/8-bit blocks/f16"), size_bytes=size, bits=4.0)
    if bits:
        tensors = [
            tensor(f"blk.{layer}.{group}.weight", each)
            for layer in (0, 1)
            for group, each in bits.items()
        ]
        made = replace(made, facts=replace(made.facts, tensors=tuple(tensors)))
    damage = {"numeric": broken, "*": 0.0}
    return judged(report.suite, made, report.references[0], damage)


def texts(report: BuildReport, name: str, basis: Basis) -> list[str]:
    by_name = remedies(report)
    return [r.text for r in by_name[f"support-llama--{name}"] if r.basis is basis]


def test_the_next_larger_that_passes_says_how_much_of_what_broke_it_keeps() -> None:
    report = example_report(SIZES)
    assert (
        remedies(report).keys()
        == {f"support-llama--{name}" for name in ("Q2_K", "FP8_DYNAMIC", "NVFP4")}
        & remedies(report).keys()
    )
    (sentence,) = texts(report, "Q2_K", Basis.MEASURED)
    assert "Q4_K_M--imatrix is the next larger that passes: 573 kB more" in sentence
    assert "items that this one breaks" in sentence


def test_groups_are_named_where_they_alone_differ_and_keep_what_broke() -> None:
    report = example_report(SIZES)
    low = variant(report, "Q2_K", broken=0.6, attn_v=2.6, ffn_down=2.6, attn_q=2.6)
    mixed = variant(report, "Q2_K--mixed", broken=0.05, attn_v=6.5, ffn_down=2.6, attn_q=2.6)
    everywhere = variant(report, "Q4_K_M", broken=0.0, attn_v=4.5, ffn_down=4.5, attn_q=4.5)
    shown = replace(report, variants=(low, mixed, everywhere))
    named = [text for text in texts(shown, "Q2_K", Basis.MEASURED) if text.startswith("a mix")]
    assert len(named) == 1
    assert "keeps attn_v in more bits: Q2_K--mixed differs in these alone" in named[0]
    without = replace(report, variants=(low, everywhere))
    assert not [t for t in texts(without, "Q2_K", Basis.MEASURED) if t.startswith("a mix")]


def test_groups_are_not_named_where_the_corpus_or_the_algorithm_differs_too() -> None:
    report = example_report(SIZES)
    low = variant(report, "Q2_K", broken=0.6, attn_v=2.6, ffn_down=2.6)
    mixed = variant(report, "Q2_K--mixed", broken=0.05, attn_v=6.5, ffn_down=2.6)
    assert low.variant is not None
    assert mixed.variant is not None

    def mixes(*variants: VariantReport) -> list[str]:
        said = texts(replace(report, variants=variants), "Q2_K", Basis.MEASURED)
        return [text for text in said if text.startswith("a mix")]

    by_hand = replace(mixed.variant.recipe, algorithm="k-quant, mixed by hand")
    assert mixes(low, replace(mixed, variant=replace(mixed.variant, recipe=by_hand)))
    for changed in (
        replace(mixed.variant, corpus_digest=digest_of("another corpus")),
        replace(mixed.variant, recipe=replace(by_hand, algorithm="codebook")),
        replace(mixed.variant, recipe=replace(by_hand, calibration=Calibration.NONE)),
        replace(mixed.variant, recipe=replace(by_hand, format=Format.AWQ)),
    ):
        assert not mixes(low, replace(mixed, variant=changed))


def test_nothing_follows_where_groups_rise_and_fall_or_all_rise() -> None:
    before = {"a": 4.0, "b": 4.0, "c": 4.0}
    assert raised_groups(before, {"a": 6.0, "b": 4.0, "c": 8.0}) == ("c", "a")
    assert raised_groups(before, {"a": 6.0, "b": 3.0, "c": 4.0}) == ()
    assert raised_groups(before, {"a": 6.0, "b": 6.0, "c": 6.0}) == ()
    assert raised_groups(before, {"a": 6.0, "b": 4.0}) == ()


def test_the_corpus_that_helped_is_named() -> None:
    report = example_report(SIZES)
    here = variant(report, "Q2_K--imatrix--on_web", broken=0.6)
    better = variant(report, "Q2_K--imatrix--on_traffic", broken=0.2)
    shown = replace(report, variants=(here, better))
    (sentence,) = texts(shown, "Q2_K--imatrix--on_web", Basis.MEASURED)
    assert sentence.startswith("calibrated on another corpus, Q2_K--imatrix--on_traffic broke ")
    assert not texts(shown, "Q2_K--imatrix--on_traffic", Basis.MEASURED)


def test_a_smaller_cache_is_blamed_by_measurement_or_called_untried() -> None:
    report = example_report(SIZES)
    small = variant(report, "Q4_K_M--kv_q4_0", broken=0.6)
    small = replace(small, recipe=replace(small.recipe, kv_cache="q4_0"))
    assert in_kv_cache(recipe("Q4_K_M", "a/b/c"), "q4_0").name == small.recipe.name
    alone = replace(report, variants=(small,))
    (sentence,) = texts(alone, small.recipe.name, Basis.UNTRIED)
    assert sentence == "its cache is q4_0: the same files with a cache of f16"
    both = replace(report, variants=(small, variant(report, "Q4_K_M", broken=0.3)))
    measured = texts(both, small.recipe.name, Basis.MEASURED)
    assert any(text.startswith("with another KV cache, Q4_K_M broke") for text in measured)


def test_the_command_for_a_full_cache_names_a_recipe_of_the_catalogue_or_nothing() -> None:
    report = example_report(SIZES)
    small = variant(report, "Q4_K_M--imatrix--on_web--kv_q4_0", broken=0.6)
    small = replace(small, recipe=replace(small.recipe, kv_cache="q4_0"))

    def command(shown: VariantReport) -> str:
        by_name = remedies(replace(report, variants=(shown,)))
        (untried,) = [r for r in by_name[shown.identifier] if r.basis is Basis.UNTRIED]
        return untried.command

    assert command(small) == "--recipes Q4_K_M--imatrix --kv f16"
    theirs = replace(small.recipe, options=FOREIGN)
    assert command(replace(small, recipe=theirs)) == ""


def test_a_bundled_recipe_between_what_fails_and_what_passes_is_called_untried() -> None:
    report = example_report(SIZES)
    layers = [
        TensorFacts(name=f"model.layers.{n}.{name}.weight", shape=shape, dtype="F16")
        for n in range(4)
        for name, shape in (
            ("self_attn.q_proj", (256, 256)),
            ("self_attn.k_proj", (256, 256)),
            ("self_attn.v_proj", (256, 256)),
            ("self_attn.o_proj", (256, 256)),
            ("mlp.gate_proj", (768, 256)),
            ("mlp.up_proj", (768, 256)),
            ("mlp.down_proj", (256, 768)),
        )
    ]
    shaped = replace(report, checkpoint=replace(report.checkpoint, tensors=tuple(layers)))
    low = variant(shaped, "Q2_K", broken=0.6, size=1_150_000)
    high = variant(shaped, "Q8_0", broken=0.0, size=3_600_000)
    (sentence,) = texts(replace(shaped, variants=(low, high)), "Q2_K", Basis.UNTRIED)
    assert " would take about 1." in sentence
    assert sentence.endswith("above this one and below the next one that passes")
    assert not texts(replace(report, variants=(low, high)), "Q2_K", Basis.UNTRIED)
    offered = sentence.split()[0]
    tried = variant(shaped, f"{offered}--on_web--kv_q8_0", broken=0.6, size=900_000)
    others = texts(replace(shaped, variants=(low, high, tried)), "Q2_K", Basis.UNTRIED)
    assert not [text for text in others if text.startswith(f"{offered} ")]
