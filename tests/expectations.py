"""What a real build's audit says of its tensors, for tests that build and do not audit."""

from pipelines.audit.expectation import audit_expectation, expected_of
from pipelines.backends.protocol import Built
from pipelines.domain.audit import AuditFinding
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.recipe import Format, Recipe
from pipelines.runtimes.contents import Contents, folder_contents, gguf_contents

_NOTHING = Contents(tensors=(), file_type=-1, quantization={}, stop_token_ids=())


def unexpected(
    recipe: Recipe, checkpoint: Checkpoint, built: Built, base: Contents = _NOTHING
) -> tuple[AuditFinding, ...]:
    """Return the findings that did not pass; `base` are the contents of the converted base of a GGUF."""
    expected = expected_of(recipe, checkpoint, base)
    read = gguf_contents if recipe.format is Format.GGUF else folder_contents
    findings = audit_expectation(recipe, expected, built.facts.tensors, read(built.artifact))
    return tuple(finding for finding in findings if not finding.passed)
