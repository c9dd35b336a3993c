"""What a server showed of a file, as findings beside those of the file's own runtime."""

import re

from quantgate.pipelines.domain.run import Kernels
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.engines.requests import ServedLook

KERNELS = "kernels of the server"
_SHOWN = 5
_WEIGHT_ONLY = re.compile(
    r"w[n\d]+a16|marlin|machete|exllama|weightonly|bitblas|conch|allspark|gptq|awq|cpufp8(?:block|pertensor)",
    re.IGNORECASE,
)
"""In names of kernels, or of the layers they are for, that expand weights before they multiply.

Source: vllm/model_executor/kernels/linear of vLLM 0.32, whose `CPUFp8BlockScaledMMKernel` and
`CPUFp8PerTensorScaledMMLinearKernel` leave activations at 16 bits."""


def audit_served(look: ServedLook | None) -> tuple[AuditFinding, ...]:
    """Return what a server showed; nothing where none answers."""
    if look is None:
        return ()
    engine = look.engine
    loads = AuditFinding(
        check=f"loads in {engine}",
        passed=look.loads,
        promised="yes",
        found="yes" if look.loads else f"no ({look.detail})",
    )
    if not look.loads:
        return (loads,)
    return (loads, _finite(look), *_parity(look), *_kernels(look))


def kernels_of(audit: AuditReport, stated: Kernels) -> Kernels:
    """Return how a variant's arithmetic was done: as stated, or as a started server's output told."""
    if stated != "unknown":
        return stated
    told = next((one.found for one in audit.findings if one.check == KERNELS), "")
    kinds: tuple[Kernels, ...] = ("emulated", "weight-only", "native")
    return next((kind for kind in kinds if told.startswith(f"{kind}: ")), stated)


def _finite(look: ServedLook) -> AuditFinding:
    found = {True: "yes", False: "no", None: "it tells none"}[look.finite]
    return AuditFinding(
        check=f"log probabilities of {look.engine} are finite",
        passed=look.finite is not False,
        promised="yes",
        found=found,
    )


def _parity(look: ServedLook) -> tuple[AuditFinding, ...]:
    if not look.compared_texts:
        return ()
    wrong = look.mismatched_texts
    found = f"{look.compared_texts - len(wrong)} of {look.compared_texts} texts"
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        found += f"; first differing: {', '.join(wrong[:_SHOWN])}{more}"
    return (
        AuditFinding(
            check=f"token ids of {look.engine} equal the base's",
            passed=not wrong,
            promised="every text that was asked",
            found=found,
        ),
    )


def _kernels(look: ServedLook) -> tuple[AuditFinding, ...]:
    """What computes is no promise that could be broken; it is what the verdict is on."""
    if not look.kernels:
        return ()
    kind = min((_kind(one) for one in look.kernels), key=_ORDER.index)
    return (
        AuditFinding(
            check=KERNELS,
            passed=True,
            promised="said in its output",
            found=f"{kind}: {', '.join(look.kernels)}",
        ),
    )


_ORDER: tuple[Kernels, ...] = ("emulated", "weight-only", "native")


def _kind(kernel: str) -> Kernels:
    if "emulat" in kernel.lower():
        return "emulated"
    return "weight-only" if _WEIGHT_ONLY.search(kernel) else "native"
