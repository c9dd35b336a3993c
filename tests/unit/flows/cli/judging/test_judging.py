"""`quantgate judge` says from two transcripts what a build would say, and refuses what cannot be compared."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.cli.judge import JudgeOptions, judge_command, judge_transcripts
from quantgate.flows.cli.main import main
from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer, RunContract, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.evaluation.asking import TRANSCRIPT
from quantgate.pipelines.evaluation.runs import RunPlan, RunRecord
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import seal
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.suites.load import load_suite
from tests.support.fakes import fake_checkpoint

COUNT = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite folder of sixty items that want `yes`."""
    made = tmp_path / "suite"
    made.mkdir()
    (made / "suite.yaml").write_text(
        "name: exam\nversion: 1\ndescription: made up\ngrader: {kind: exact}\n"
        "decode: {max_tokens: 8}\nslices:\n  easy: {description: first half}\n"
        "  tail: {description: second half}\n"
    )
    rows = [
        {
            "id": f"i{n}",
            "prompt": f"question {n}",
            "expected": "yes",
            "slices": ["easy" if n < COUNT // 2 else "tail"],
        }
        for n in range(COUNT)
    ]
    (made / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def sealed_run(
    place: Path,
    suite: Suite,
    texts: Sequence[str],
    *,
    engine: str = "llamacpp",
    seed: int = 0,
    token_ids: tuple[int, ...] = (1,),
) -> Path:
    """A run folder as the store keeps it."""
    contract = RunContract(
        suite_digest=suite.digest,
        prompts_digest=digest_of("prompts"),
        decode=suite.decode,
        runtime=RuntimeIdentity(
            engine=engine,
            version="1",
            device="cpu",
            kv_cache="f16",
            compute_dtype="f32",
            kernels="native",
        ),
        schedule=Schedule(slots=8, threads=1, order_seed=seed),
    )
    plan = RunPlan(
        subject=place.name,
        subject_digest=Digest(digest_of("weights")),
        contract=contract,
        source_digest=digest_of("worker"),
    )
    answers = [
        Answer(
            item_id=item.id, text=text, token_ids=token_ids, finish_reason="stop", prompt_tokens=4
        )
        for item, text in zip(suite.items, texts, strict=True)
    ]
    place.mkdir(parents=True)
    lines = [json.dumps(to_json(answer)) for answer in answers]
    (place / TRANSCRIPT).write_text("\n".join(lines) + "\n")
    seal(place, RunRecord(plan=plan, seconds=1.0))
    return place


def runs(tmp_path: Path, folder: Path, broke: int = 0) -> tuple[Path, Path]:
    suite = load_suite(folder)
    return (
        sealed_run(tmp_path / "runs" / "base", suite, ["yes"] * COUNT),
        sealed_run(
            tmp_path / "runs" / "variant", suite, ["no"] * broke + ["yes"] * (COUNT - broke)
        ),
    )


def settings(tmp_path: Path) -> Settings:
    return replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))


def test_two_run_folders_are_judged_like_a_build(tmp_path: Path, folder: Path) -> None:
    base, variant = runs(tmp_path, folder, broke=1)

    verdict = judge_transcripts(
        JudgeOptions(reference=base, variant=variant, suite=folder), settings(tmp_path)
    )

    assert verdict.decision is Decision.INCONCLUSIVE  # one of thirty in the slice `easy`
    assert verdict.whole is not None
    assert (verdict.whole.statistics.broke, verdict.whole.statistics.reliable) == (1, COUNT)


@pytest.mark.parametrize(("broke", "code"), [(0, 0), (1, 11), (30, 10)])
def test_the_exit_code_is_the_verdicts(
    tmp_path: Path, folder: Path, broke: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    base, variant = runs(tmp_path, folder, broke)

    assert judge_command(JudgeOptions(reference=base, variant=variant, suite=folder)) == code
    assert f"{broke}/{COUNT}" in capsys.readouterr().out


def test_the_json_holds_the_verdict_and_the_changed_items(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, variant = runs(tmp_path, folder, broke=2)

    judge_command(JudgeOptions(reference=base, variant=variant, suite=folder, as_json=True))

    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "quantgate.verdict/1"
    assert [item["item_id"] for item in told["items"]] == ["i0", "i1"]
    assert told["whole"]["statistics"]["broke"] == 2


def test_a_policy_of_its_own_decides(tmp_path: Path, folder: Path) -> None:
    base, variant = runs(tmp_path, folder, broke=1)
    policy = tmp_path / "policy.yaml"
    policy.write_text("max_break_rate: 0.2\nslices:\n  easy: {critical: true}\n")

    verdict = judge_transcripts(
        JudgeOptions(reference=base, variant=variant, suite=folder, policy=policy),
        settings(tmp_path),
    )

    assert verdict.decision is Decision.FAIL
    assert verdict.reasons[0].endswith("a critical slice tolerates no break")


def test_repeats_of_the_reference_make_items_unstable(tmp_path: Path, folder: Path) -> None:
    base, variant = runs(tmp_path, folder, broke=1)
    unsure = ["no"] + ["yes"] * (COUNT - 1)
    repeat = sealed_run(tmp_path / "runs" / "again", load_suite(folder), unsure, seed=1)

    verdict = judge_transcripts(
        JudgeOptions(reference=base, variant=variant, suite=folder, repeat=(repeat,)),
        settings(tmp_path),
    )

    assert verdict.decision is Decision.PASS
    assert not verdict.items[0].stable


def test_an_exported_file_is_the_run_it_was_exported_from(tmp_path: Path, folder: Path) -> None:
    base, _ = runs(tmp_path, folder)
    exported = tmp_path / "base.jsonl"
    exported.write_text("\n".join(exported_lines(read_transcript(base))) + "\n")

    found = read_transcript(exported)

    assert (found.record, found.answers) == (
        read_transcript(base).record,
        read_transcript(base / TRANSCRIPT).answers,
    )


def test_runs_of_other_contracts_are_refused_by_name(tmp_path: Path, folder: Path) -> None:
    base, _ = runs(tmp_path, folder)
    other = sealed_run(
        tmp_path / "runs" / "other", load_suite(folder), ["yes"] * COUNT, engine="transformers"
    )

    with pytest.raises(InputError, match="runtime engine"):
        judge_transcripts(
            JudgeOptions(reference=base, variant=other, suite=folder), settings(tmp_path)
        )


def test_another_suite_than_the_runs_is_refused(tmp_path: Path, folder: Path) -> None:
    base, variant = runs(tmp_path, folder)
    file = folder / "items.jsonl"
    file.write_text(file.read_text().replace("question 3", "question three"))

    with pytest.raises(InputError, match="answers another suite"):
        judge_transcripts(
            JudgeOptions(reference=base, variant=variant, suite=folder), settings(tmp_path)
        )


def test_without_a_suite_that_of_a_build_in_the_store_is_found(
    tmp_path: Path, folder: Path
) -> None:
    base, variant = runs(tmp_path, folder)
    here = settings(tmp_path)
    options = JudgeOptions(reference=base, variant=variant)
    with pytest.raises(InputError, match="no build of this store has"):
        judge_transcripts(options, here)

    write_plan(plan_of(load_suite(folder), tmp_path), here.store)

    assert judge_transcripts(options, here).decision is Decision.PASS


def test_special_tokens_that_mark_thoughts_are_read_from_the_ids_of_a_sealed_run(
    tmp_path: Path, folder: Path
) -> None:
    suite, here = load_suite(folder), settings(tmp_path)
    run = sealed_run(
        tmp_path / "runs" / "demo--base", suite, ["? yes"] * COUNT, token_ids=(2, 0, 3, 1)
    )
    options = JudgeOptions(reference=run, variant=run, suite=folder)
    assert judge_transcripts(options, here).decision is Decision.INCONCLUSIVE

    plan = plan_of(suite, tmp_path)
    vocabulary = {"?": 0, "yes": 1, "[THINK]": 2, "[/THINK]": 3}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="?"))
    tokenizer.add_special_tokens([AddedToken("[THINK]"), AddedToken("[/THINK]")])
    tokenizer.save(str(plan.checkpoint.folder / "tokenizer.json"))
    write_plan(plan, here.store)
    assert judge_transcripts(options, here).decision is Decision.PASS


def plan_of(suite: Suite, tmp_path: Path) -> BuildPlan:
    return BuildPlan(
        checkpoint=fake_checkpoint(tmp_path / "model"),
        suite=suite,
        policy=Policy(),
        corpora=(),
        variants=(),
        contracts=(),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first line does not say which run"),
        ('{"item_id": "i0"}\n', "first line does not say which run"),
        ("not json\n", "first line does not say which run"),
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text(content)

    with pytest.raises(InputError, match=message):
        read_transcript(file)


def test_an_altered_transcript_and_a_missing_one_are_refused(tmp_path: Path, folder: Path) -> None:
    base, _ = runs(tmp_path, folder)
    (base / TRANSCRIPT).write_text((base / TRANSCRIPT).read_text().replace("yes", "yep", 1))

    with pytest.raises(InputError, match="altered"):
        read_transcript(base)
    with pytest.raises(InputError, match="no finished run"):
        read_transcript(tmp_path / "nothing")


def test_a_damaged_answer_is_named_by_its_line(tmp_path: Path, folder: Path) -> None:
    base, _ = runs(tmp_path, folder)
    lines = [*exported_lines(read_transcript(base))]
    lines[2] = '{"item_id": "i1"}'
    file = tmp_path / "damaged.jsonl"
    file.write_text("\n".join(lines))

    with pytest.raises(InputError, match="line 3: key 'text' is missing"):
        read_transcript(file)


def test_the_command_ends_with_its_exit_codes_and_without_a_traceback(
    tmp_path: Path, folder: Path
) -> None:
    base, variant = runs(tmp_path, folder, broke=30)
    command = ["judge", str(base), str(variant), "--suite", str(folder)]

    failed = CliRunner().invoke(main, command)
    refused = CliRunner().invoke(main, ["judge", str(base), str(tmp_path), "--suite", str(folder)])

    assert failed.exit_code == 10
    assert "30 of 60 reliably right items broke" in failed.output
    assert refused.exit_code == 2
    assert "is no finished run" in refused.output
