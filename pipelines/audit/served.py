"""What a server showed of a file, as findings beside those of the file's own runtime."""

import re

from quantgate.pipelines.domain.run import Kernels
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.engines.requests import ServedProbeReport

KERNELS = "kernels of the server"
START_UP = "start-up of the server"
_SHOWN = 5
_WEIGHT_ONLY = re.compile(
    r"w[n\d]+a16|marlin|machete|exllama|weightonly|bitblas|conch|allspark|gptq|awq|cpufp8(?:block|pertensor)",
    re.IGNORECASE,
)
"""In names of kernels, or of the layers they are for, that expand weights before they multiply.

Source: vllm/model_executor/kernels/linear of vLLM 0.32, whose `CPUFp8BlockScaledMMKernel` and
`CPUFp8PerTensorScaledMMLinearKernel` leave activations at 16 bits."""


def audit_served(probe: ServedProbeReport | None) -> tuple[AuditFinding, ...]:
    """Return what a server showed; nothing where none answers."""
    if probe is None:
        return ()
    engine = probe.engine
    loads = AuditFinding(
        check=f"loads in {engine}",
        passed=probe.loads,
        promised="yes",
        found="yes" if probe.loads else f"no ({probe.detail})",
    )
    if not probe.loads:
        return (loads,)
    return (loads, _finite(probe), *_parity(probe), *_kernels(probe), *_start_up(probe))


def kernels_of(audit: AuditReport, stated: Kernels) -> Kernels:
    """Return how a variant's arithmetic was done: as stated, or as a started server's output told."""
    if stated != "unknown":
        return stated
    observation = next(
        (finding.found for finding in audit.findings if finding.check == KERNELS), ""
    )
    kinds: tuple[Kernels, ...] = ("emulated", "weight-only", "native")
    return next((kind for kind in kinds if observation.startswith(f"{kind}: ")), stated)


def _finite(probe: ServedProbeReport) -> AuditFinding:
    answer = {True: "yes", False: "no", None: "it tells none"}[probe.finite]
    return AuditFinding(
        check=f"log probabilities of {probe.engine} are finite",
        passed=probe.finite is not False,
        promised="yes",
        found=answer,
    )


def _parity(probe: ServedProbeReport) -> tuple[AuditFinding, ...]:
    if not probe.compared_texts:
        return ()
    wrong = probe.mismatched_texts
    counted = f"{probe.compared_texts - len(wrong)} of {probe.compared_texts} texts"
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        counted += f"; first differing: {', '.join(wrong[:_SHOWN])}{more}"
    return (
        AuditFinding(
            check=f"token ids of {probe.engine} equal the base's",
            passed=not wrong,
            promised="every text that was asked",
            found=counted,
        ),
    )


def _kernels(probe: ServedProbeReport) -> tuple[AuditFinding, ...]:
    """What computes is no promise that could be broken; it is what the verdict is on."""
    if not probe.kernels:
        return ()
    kind = min((_kind(kernel) for kernel in probe.kernels), key=_ORDER.index)
    return (
        AuditFinding(
            check=KERNELS,
            passed=True,
            promised="said in its output",
            found=f"{kind}: {', '.join(probe.kernels)}",
        ),
    )


def _start_up(probe: ServedProbeReport) -> tuple[AuditFinding, ...]:
    """How long it loads is no promise either, and no part of the time that answers take."""
    if probe.startup_seconds is None:
        return ()
    return (
        AuditFinding(
            check=START_UP,
            passed=True,
            promised="apart from answering",
            found=f"{probe.startup_seconds:.1f} s until it could be asked",
        ),
    )


_ORDER: tuple[Kernels, ...] = ("emulated", "weight-only", "native")


def _kind(kernel: str) -> Kernels:
    if "emulat" in kernel.lower():
        return "emulated"
    return "weight-only" if _WEIGHT_ONLY.search(kernel) else "native"
