"""`quantgate recommend`: which recipes to build first, by memory, by what was measured, by a prior."""

from dataclasses import asdict, dataclass
from pathlib import Path

from quantgate.flows.build.recommending.choosing import Asked, Recommendation, recommend
from quantgate.flows.build.recommending.prior import Device, Task
from quantgate.flows.cli.views.choosing.recommendation import show_recommendation
from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.glancing import glance
from quantgate.pipelines.checkpoints.hub_glancing import glanced_folder
from quantgate.pipelines.checkpoints.neighbours import no_such_folder, refuse_unreachable
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import at_home, is_folder, is_there
from quantgate.pipelines.hub.source import parse_hub_source
from quantgate.pipelines.specs.contexts import parse_context
from quantgate.registry.questions.measured import measured_of
from quantgate.registry.sizes import parse_size
from quantgate.registry.tracking import Tracking

SCHEMA = "quantgate.recommendation/1"
_DEFAULT_CONTEXT_TOKENS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendOptions:
    """The command line of `quantgate recommend`."""

    model: str
    memory: str
    context: str | None = None
    device: str = Device.CPU.value
    task: str | None = None
    as_json: bool = False


def recommend_command(options: RecommendOptions) -> int:
    """Print the recommendation; the exit code is 0 also where nothing fits, which is an answer."""
    settings = Settings.from_environment()
    checkpoint = glance(_folder(options.model, settings))
    asked = Asked(
        memory_bytes=parse_size(options.memory),
        context_tokens=_context_tokens(options.context, checkpoint.context_length_tokens),
        device=Device(options.device),
        task=Task(options.task) if options.task else None,
    )
    tracking = Tracking.resolve(settings.store, uri=settings.tracking_uri)
    measured = measured_of(checkpoint.architecture, checkpoint.name, tracking)
    recommendation = recommend(checkpoint, asked, measured)
    if options.as_json:
        print_plain_json({"schema": SCHEMA, **_record(recommendation)})
    else:
        show_recommendation(recommendation, options.model)
    return 0


def _folder(model: str, settings: Settings) -> Path:
    """Return a folder with MODEL's configuration and the headers of its weights.

    Raises:
        InputError: there is no such folder or repository.
        ServiceError: the hub does not answer.
    """
    path = at_home(model)
    if is_folder(path):
        return path.resolve()
    refuse_unreachable(path)
    source = None if is_there(path) else parse_hub_source(model)
    if source is None:
        raise no_such_folder(model)
    return glanced_folder(source, store=settings.store, settings=settings.hub)


def _context_tokens(text: str | None, longest_tokens: int) -> int:
    """Return the context that is asked for, or 8k; never more than the model has.

    Raises:
        InputError: where it is no number of tokens, or more than the model was made for.
    """
    if text is None:
        return min(_DEFAULT_CONTEXT_TOKENS, longest_tokens)
    tokens = parse_context(text, "--context")
    if tokens > longest_tokens:
        raise InputError(
            f"the model was made for {longest_tokens:,} tokens",
            where="--context",
            next_step=f"ask for at most {longest_tokens}",
        )
    return tokens


def _record(recommendation: Recommendation) -> dict[str, object]:
    """Return it as JSON has it: what is added up stands beside its parts."""
    options = [
        {**asdict(option), "size_bytes": option.memory.size_bytes}
        for option in recommendation.options
    ]
    return {**asdict(recommendation), "options": options}
