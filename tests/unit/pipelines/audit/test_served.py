from dataclasses import replace
from typing import Any

from quantgate.pipelines.audit.served import KERNELS, START_UP, audit_served, kernels_of
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.engines.requests import ServedProbeReport

LOOK = ServedProbeReport(
    engine="vllm",
    loads=True,
    finite=True,
    compared_texts=3,
    mismatched_texts=(),
    kernels=("CPUWNA16LinearKernel for CompressedTensorsWNA16",),
    detail="vllm answers",
)


def findings(**fields: Any) -> dict[str, tuple[bool, str]]:
    """Whether each check passed, and what it found."""
    return {one.check: (one.passed, one.found) for one in audit_served(replace(LOOK, **fields))}


def test_nothing_is_said_where_no_server_answers() -> None:
    assert audit_served(None) == ()


def test_a_sound_file_passes_all_that_its_server_showed() -> None:
    assert findings() == {
        "loads in vllm": (True, "yes"),
        "log probabilities of vllm are finite": (True, "yes"),
        "token ids of vllm equal the base's": (True, "3 of 3 texts"),
        KERNELS: (True, "weight-only: CPUWNA16LinearKernel for CompressedTensorsWNA16"),
    }


def test_how_long_a_started_server_loads_is_told_apart_from_answering() -> None:
    assert START_UP not in findings()  # it ran already
    assert findings(startup_seconds=12.34)[START_UP] == (True, "12.3 s until it could be asked")


def test_a_file_that_does_not_load_has_one_finding_with_the_servers_reason() -> None:
    told = findings(loads=False, finite=None, detail="vllm ended with exit code 1: no kernel")
    assert told == {"loads in vllm": (False, "no (vllm ended with exit code 1: no kernel)")}


def test_log_probabilities_fail_only_where_one_is_no_number() -> None:
    check = "log probabilities of vllm are finite"
    assert findings(finite=False)[check] == (False, "no")
    assert findings(finite=None)[check] == (True, "it tells none")


def test_texts_that_a_server_reads_otherwise_are_named() -> None:
    told = findings(mismatched_texts=("a", "b"))["token ids of vllm equal the base's"]
    assert told == (False, "1 of 3 texts; first differing: a, b")


def test_kernels_that_a_server_named_stand_for_those_that_nobody_stated() -> None:
    def kernels(*names: str) -> str:
        report = AuditReport(findings=audit_served(replace(LOOK, kernels=names)))
        return kernels_of(report, "unknown")

    assert kernels("MarlinLinearKernel for GPTQ") == "weight-only"
    assert kernels("CPUInt8ScaledMMLinearKernel for W8A8") == "native"
    assert kernels("TritonW4A16LinearKernel for CompressedTensorsWNA16") == "weight-only"
    assert kernels("HummingLinearKernel for AutoGPTQLinearMethod") == "weight-only"
    assert kernels("FlashInferCuteDslNvFp4W4A16LinearKernel for NVFP4") == "weight-only"
    assert kernels("CPUFp8BlockScaledMMKernel for CompressedTensorsW8A8Fp8") == "weight-only"
    assert kernels("CPUFp8W8A8BlockScaledMMKernel for CompressedTensorsW8A8Fp8") == "native"
    assert kernels("CutlassNvFp4LinearKernel for NVFP4") == "native"
    assert kernels("EmulationNvFp4LinearKernel for NVFP4", "MarlinKernel for X") == "emulated"
    assert kernels() == "unknown"
    assert kernels_of(AuditReport(findings=audit_served(LOOK)), "native") == "native"
