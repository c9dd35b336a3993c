"""`quantgate corpus …`: its command line; each command imports the module beside this one that does it."""

import click

from quantgate.flows.cli.options import FOLDER, in_store


@click.group()
def corpus() -> None:
    """Build, look at, compare and check calibration corpora."""


@corpus.command("build", short_help="Seal the corpus that a spec describes.")
@click.argument("spec", metavar="SPEC|NAME", type=FOLDER)
@click.option(
    "--model", help="Also count tokens as this model would: folder or org/name[@revision]."
)
@click.option("--record", is_flag=True, help="Also record it in MLflow.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def corpus_build(**options: object) -> int:
    """Seal the corpus that SPEC (YAML) describes; its version rises only when the content changes.

    A bare NAME stands for calibration/corpora/NAME.yaml.
    """
    from quantgate.flows.cli.corpus.build import CorpusBuildOptions, build_command

    return build_command(CorpusBuildOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@corpus.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def corpus_list(as_json: bool) -> int:
    """List the sealed corpora of this store."""
    from quantgate.flows.cli.corpus.show import list_command

    return list_command(as_json=as_json)


@corpus.command("show")
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def corpus_show(reference: str, as_json: bool) -> int:
    """Print a corpus's data card; without a version, that of the latest."""
    from quantgate.flows.cli.corpus.show import show_command

    return show_command(reference, as_json=as_json)


@corpus.command("diff", short_help="Compare two corpora: added, removed, kept.")
@click.argument("earlier", metavar="A")
@click.argument("later", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def corpus_diff(earlier: str, later: str, as_json: bool) -> int:
    """Compare two corpora (NAME[@VERSION]): what was added, removed and kept."""
    from quantgate.flows.cli.corpus.diff import diff_command

    return diff_command(earlier, later, as_json=as_json)


@corpus.command("export")
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--to", "target", type=FOLDER, required=True, help="File to write, JSON lines.")
@click.option("--model", help="Write texts as this model's chat template renders them.")
@in_store
def corpus_export(**options: object) -> int:
    """Write a corpus's sequences as JSON lines."""
    from quantgate.flows.cli.corpus.export import CorpusExportOptions, export_command

    return export_command(CorpusExportOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@corpus.command("check", short_help="Hold a corpus against a suite and a model.")
@click.argument("corpus", metavar="NAME[@VERSION]|SPEC")
@click.option("--suite", type=FOLDER, required=True, help="Folder with suite.yaml and its items.")
@click.option("--model", help="Also say what this model's tokenizer and backends make of it.")
@click.option(
    "--recipes",
    help="Recipe names or patterns whose effective use is shown, by commas (with --model).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def corpus_check(**options: object) -> int:
    """Hold a corpus against a suite: contamination, coverage, effective use, health.

    Exit codes: 0 fine, 2 problems, 3-6 an error.
    """
    from quantgate.flows.cli.corpus.check import CorpusCheckOptions, check_command

    return check_command(CorpusCheckOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@corpus.command("drift")
@click.argument("corpus", metavar="NAME[@VERSION]")
@click.option("--traffic", required=True, help="Chat log (JSON lines), or mlflow:EXPERIMENT.")
@click.option("--model", help="Also compare tokens as this model would count them.")
@click.option("--alpha", default=0.01, show_default=True, help="False-alarm rate of the whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def corpus_drift(**options: object) -> int:
    """Hold today's traffic against a corpus.

    Exit codes: 0 no drift, 10 drift found, 2-6 an error.
    """
    from quantgate.flows.cli.corpus.drift import DriftOptions, drift_command

    return drift_command(DriftOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields
