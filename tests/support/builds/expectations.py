"""What a real build's audit says of its tensors, for tests that build and do not audit."""

from quantgate.pipelines.audit.expectation import audit_expectation
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.engines.backend import Built
from quantgate.pipelines.engines.contents import Contents, folder_contents, gguf_contents
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.engines.written import written_tensors


def unexpected(
    recipe: Recipe, checkpoint: Checkpoint, built: Built, converted: Contents | None = None
) -> tuple[AuditFinding, ...]:
    """Return the findings that did not pass; `converted` are the contents of a GGUF's base."""
    read = gguf_contents if recipe.format is Format.GGUF else folder_contents
    base = converted or folder_contents(checkpoint.folder)
    expected = expected_tensors(checkpoint, recipe, base)
    written = written_tensors(
        recipe.format, base.tensors, read(built.artifact).tensors, built.artifact
    )
    findings = audit_expectation(recipe, expected, written)
    return tuple(finding for finding in findings if not finding.passed)
