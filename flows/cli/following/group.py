"""Commands that follow releases: a look by hand, on a schedule, and what became of each."""

from pathlib import Path

import click

from quantgate.flows.cli.options import FOLDER, in_store

_list_option = click.option(
    "--list", "watch_list", type=FOLDER, help="Releases file (default flows/releases.yaml)."
)


@click.command(short_help="Look for new releases of models and build what is new.")
@_list_option
@click.option("--once", is_flag=True, required=True, help="Look once and end.")
@in_store
def watch(watch_list: Path | None, once: bool) -> int:  # noqa: ARG001 - --once is the only way as yet
    """Look for new releases of the models that are followed, and build what is new."""
    from quantgate.flows.orchestration.following.commands import watch_command

    return watch_command(watch_list)


@click.command(short_help="Follow releases on a schedule, until interrupted.")
@_list_option
@click.option("--cron", default="0 * * * *", show_default=True, help="When to look.")
@click.option(
    "--team",
    help="Whose list it is: names the deployment, for a Prefect server that several teams share.",
)
@click.option(
    "--mlflow-port", type=click.IntRange(0, 65535), default=5000, show_default=True,
    help="Where MLflow's pages are served, or another where that is taken; 0: nowhere.",
)  # fmt: skip
@in_store
def serve(watch_list: Path | None, cron: str, team: str | None, mlflow_port: int) -> int:
    """Follow releases on a schedule, and serve Prefect's and MLflow's pages, until interrupted."""
    from quantgate.flows.orchestration.following.commands import serve_command

    return serve_command(watch_list, cron, team, mlflow_port)


@click.command(short_help="List the releases that were noticed, or have one tried again.")
@click.argument("name", required=False)
@click.option(
    "--reopen", is_flag=True, help="Have the next look take up NAME's latest release again."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def releases(name: str | None, reopen: bool, as_json: bool) -> int:
    """List the releases that were noticed of NAME (an entry of a releases file), or of all entries.

    Exit codes: 0, 12 nothing was noticed of NAME, 2 an error.
    """
    from quantgate.flows.cli.following.releases import releases_command

    return releases_command(name, reopen=reopen, as_json=as_json)


@click.command(short_help="Look for new releases whenever a hub says that something changed.")
@_list_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="Its port."
)
@in_store
def webhook(watch_list: Path | None, host: str, port: int) -> int:
    """Look for new releases now and at each message from somebody who knows the secret, until interrupted.

    The secret stands in QUANTGATE_WEBHOOK_SECRET; messages are signed by HMAC-SHA256 in X-Hub-Signature-256,
    or bring it in X-Webhook-Secret, as Hugging Face's do: then put TLS in front.
    """
    from quantgate.flows.orchestration.following.commands import webhook_command

    return webhook_command(watch_list, host, port)


@click.command(short_help="Check a file of deployments, and give them to a Prefect server.")
@click.argument("file", type=FOLDER, default="prefect.yaml")
@in_store
def deploy(file: Path) -> int:
    """Check every deployment of FILE (default prefect.yaml), then deploy all of them.

    Schedules, parameters and their types, files that they name, pools and the server's version are looked
    at first: a deployment that cannot run is refused with one line, and nothing is deployed.
    """
    from quantgate.flows.orchestration.deploying.command import deploy_command

    return deploy_command(file)


COMMANDS = (watch, serve, releases, webhook, deploy)
