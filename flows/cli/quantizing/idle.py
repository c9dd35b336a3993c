"""Options of `quantgate quantize` that nothing of a build would ever look at."""

from quantgate.flows.cli.options import refuse_idle
from quantgate.flows.cli.quantizing.options import QuantizeOptions
from quantgate.pipelines.specs.builds import BuildSpec


def refuse_idle_options(options: QuantizeOptions, spec: BuildSpec) -> None:
    """Refuse what is asked for on the command line and has no effect on what `spec` asks for.

    A build file's keys are another matter: it serves several commands, so they are told while planning.

    Raises:
        InputError: naming these options.
    """
    if options.plan_only:
        refuse_idle(
            "quantize",
            {"--json": options.as_json},
            because="it is the form of a result, and --plan ends before there is one",
            next_step="leave one of them out",
        )
    if not spec.recipes and not spec.foreign:
        refuse_idle(
            "quantize",
            {
                "--kv": options.kv,
                "--corpus": options.corpus,
                "--nearest": options.nearest,
                "--anyway": options.anyway,
                "--queue": options.queue,
                "--speed": options.speed,
            },
            because="without recipes nothing is built, and MODEL is judged on its own",
            next_step="name recipes (--recipes), or leave it out",
        )
