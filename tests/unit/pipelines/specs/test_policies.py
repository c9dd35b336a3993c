"""A policy file says what it says: every rule reaches the policy, and what cannot be meant is refused."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.policy import Policy, SlicePolicy
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.specs.policies import PolicySpec, SlicePolicySpec, load_policy
from tests.support.verdicts.judging import suite_of

SUITE = suite_of([("tail",), ("refusal",), ("tail", "refusal")])


def loaded(tmp_path: Path, text: str, suite: Suite = SUITE) -> Policy:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    return load_policy(file, suite)


def test_without_a_file_and_with_an_empty_one_of_braces_the_defaults_hold(tmp_path: Path) -> None:
    assert load_policy(None, SUITE) == loaded(tmp_path, "{}\n") == Policy()
    assert Policy() == Policy(max_break_rate=0.10, confidence=0.95, reference_runs=3)
    assert Policy().family_wise == "none"
    assert not Policy().early_stopping


def test_every_key_of_a_file_is_a_field_of_the_policy_with_the_same_default() -> None:
    slices = SlicePolicySpec()
    set_by_a_search = {"error_shares"}
    assert set(PolicySpec.model_fields) == set(Policy.__dataclass_fields__) - set_by_a_search
    assert PolicySpec().policy() == Policy()
    assert SlicePolicy(name="tail", **slices.model_dump()) == SlicePolicy(name="tail")


def test_rules_of_suite_and_slices_reach_the_policy(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        "max_break_rate: 0.2\nnon_inferiority: 0.02\nmin_accuracy: 0.8\nmax_verbosity_ratio: 1.3\n"
        "max_refusal_rate_increase: 0.05\nfamily_wise: holm\ncritical_slices: [refusal]\n"
        "slices:\n  tail: {max_break_rate: 0.05, critical: true, non_inferiority: 0.1}\n",
    )

    whole, tail, refusal = (
        policy.limits(),
        policy.slice_limits("tail"),
        policy.slice_limits("refusal"),
    )
    assert (whole.max_break_rate, whole.non_inferiority, whole.min_accuracy) == (0.2, 0.02, 0.8)
    assert (whole.max_verbosity_ratio, whole.max_refusal_rate_increase) == (1.3, 0.05)
    assert (tail.max_break_rate, tail.critical, tail.non_inferiority) == (0.05, True, 0.1)
    assert (refusal.max_break_rate, refusal.critical, refusal.non_inferiority) == (0.2, True, None)
    assert tail.min_accuracy is None
    assert policy.family_wise == "holm"
    assert from_json(Policy, to_json(policy)) == policy


def test_the_suites_own_word_makes_a_slice_critical() -> None:
    assert Policy().slice_limits("tail", critical=True).critical
    assert not Policy().slice_limits("tail").critical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slices:\n  tial: {critical: true}\n", "slice 'tial' is not in .*did you mean 'tail'"),
        ("critical_slices: [refusel]\n", "critical slice 'refusel' .*did you mean 'refusal'"),
        (
            "slices:\n  tail: {max_break: 0.1}\n",
            "line 2: unknown key .*did you mean 'max_break_rate'",
        ),
        ("non_inferiority: 0\n", "line 1: non_inferiority"),
        ("min_accuracy: 95\n", "line 1: min_accuracy"),
        ("max_verbosity_ratio: .nan\n", "line 1: '.nan' is no finite number"),
        ("confidence: 0.5\n", "line 1: confidence"),
        ("family_wise: bonferroni\n", "line 1: family_wise"),
        ("early_stopping: true\nfamily_wise: holm\n", "exclude each other"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        loaded(tmp_path, text)


def test_all_unknown_slices_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, "critical_slices: [one]\nslices:\n  two: {}\n")

    assert "'one'" in refused.value.what
    assert "'two'" in refused.value.what
