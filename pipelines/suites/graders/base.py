"""What all graders' options have in common."""

from quantgate.pipelines.domain.suites.suite import GraderKind, GraderSpec
from quantgate.pipelines.specs.loading import Spec


class GraderFile(Spec):
    """A grader with its options, as suite files write it: `{kind: number, relative: 0.01}`."""

    kind: GraderKind
    """Which grader."""

    def spec(self) -> GraderSpec:
        """Return the domain object; options left at their defaults are not in it."""
        options = self.model_dump(mode="json", exclude={"kind"}, exclude_defaults=True)
        return GraderSpec(kind=self.kind, options=options)
