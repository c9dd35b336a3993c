"""Which sandbox is used here: the first that works and contains a program which tries to get out."""

import os
import shutil
import sys
from functools import cache

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.evaluation.sandbox.kinds import ALLOW_UNSANDBOXED, NEXT_STEP, SandboxKind
from quantgate.pipelines.evaluation.sandbox.trial import contains
from quantgate.pipelines.files.hashing import tell_asked


def refuse_unsandboxed(suite: Suite) -> None:
    """Refuse a suite whose answers would have to be run where nothing contains them.

    Raises:
        ToolchainError: where no sandbox works here and none of the ways to do without was chosen.
    """
    contained = [
        spec
        for item in suite.items
        for spec in suite.graders_of(item)
        if spec.kind == "code" and not spec.options.get("allow_unsandboxed")
    ]
    loops = [item.loop for item in suite.items if item.loop is not None]
    computed = any(tool.function is not None for loop in loops for tool in loop.tools)
    if contained or computed:
        chosen_sandbox(allow_unsandboxed=False)


def chosen_sandbox(*, allow_unsandboxed: bool) -> SandboxKind:
    """Return the first sandbox that works here, `none` only where there is none and that is allowed.

    Raises:
        ToolchainError: where there is none.
    """
    tell_asked("sandboxes")
    kind = working_sandbox()
    if kind:
        return kind
    if allow_unsandboxed or os.environ.get(ALLOW_UNSANDBOXED) == "1":
        return "none"
    raise ToolchainError(
        "grader `code` and functions of loops run in a sandbox, and none works here "
        "(tried: bubblewrap, the kernel's own namespaces)",
        next_step=NEXT_STEP,
    )


@cache
def working_sandbox() -> SandboxKind | None:
    """Return the first sandbox that contains a program which tries to get out; asked once a process."""
    kinds: tuple[SandboxKind, ...] = ("bwrap", "unshare")
    return next((kind for kind in kinds if _present(kind) and contains(kind)), None)


def _present(kind: SandboxKind) -> bool:
    return sys.platform == "linux" if kind == "unshare" else shutil.which(kind) is not None
