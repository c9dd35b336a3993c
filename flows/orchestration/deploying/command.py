"""`quantgate deploy`: a file of deployments is checked, then given to the server by Prefect's own command."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

from quantgate.flows.orchestration.deploying.files import DeploymentSpec, load_deployments
from quantgate.flows.orchestration.running import QUIET
from quantgate.flows.orchestration.server.api import require_healthy, status
from quantgate.flows.orchestration.server.state import api_login, client_environment
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, ServiceError

_ANSWER_SECONDS = 10.0
_DEPLOY_SECONDS = 300.0


def deploy_command(file: Path) -> int:
    """Check every deployment of a file, then deploy them all.

    Raises:
        InputError: with a line for each problem; nothing is deployed then.
        ServiceError: no server is named and none runs, it does not answer, or it refused.
    """
    settings = Settings.from_environment()
    deployments = load_deployments(file)
    url = settings.prefect_api or status(settings.store.root).url
    if url is None:
        raise ServiceError(
            "there is no Prefect server to deploy to",
            next_step="set PREFECT_API_URL, or start the project's own: quantgate up",
        )
    require_healthy(url)
    os.environ.update(client_environment(settings.store.root, url, os.environ) | QUIET)
    from quantgate.flows.orchestration.deploying.checks import problems

    environment = os.environ | {"PWD": str(Path.cwd())}
    wrong = [*problems(deployments, environment), *server_problems(deployments, url)]
    if wrong:
        raise InputError(
            "nothing was deployed:\n  " + "\n  ".join(wrong),
            where=str(file),
            next_step="mend the file, or the server, and run the same command again",
        )
    deploy_all(file, environment)
    names = ", ".join(spec.name for spec in deployments)
    print(f"deployed to {url.removesuffix('/api')}: {names}")
    return 0


def server_problems(deployments: tuple[DeploymentSpec, ...], url: str) -> Iterator[str]:
    """Yield what of these deployments a server cannot have.

    Raises:
        ServiceError: it does not answer.
    """
    there, here = str(_asked(url, "admin/version")), version("prefect")
    if there.split(".")[:2] != here.split(".")[:2]:
        yield f"the server is Prefect {there}, and this is {here}: upgrade one of them"
    pools = dict.fromkeys(spec.work_pool.name for spec in deployments if spec.work_pool)
    for pool in pools:
        if _asked(url, f"work_pools/{quote(pool, safe='')}") is None:
            yield f"there is no work pool '{pool}': prefect work-pool create {pool} --type process"


def _asked(url: str, path: str) -> object:
    """Return an answer of the server's API; None where it knows no such thing."""
    request = urllib.request.Request(f"{url}/{path}", headers=api_login())
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return json.load(answer)
    except HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        if error.code in (401, 403):
            raise ServiceError(
                f"Prefect's server wants another login ({error.code})",
                where=url,
                next_step="set PREFECT_API_AUTH_STRING (user:password) or PREFECT_API_KEY",
            ) from error
        raise ServiceError(
            f"Prefect answered {error.code}",
            where=f"{url}/{path}",
            next_step="check that PREFECT_API_URL names a Prefect server",
        ) from error
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"Prefect does not answer: {error}",
            where=url,
            transient=True,
            next_step="check that PREFECT_API_URL names a Prefect server",
        ) from error


def deploy_all(
    file: Path, environment: dict[str, str], most_seconds: float = _DEPLOY_SECONDS
) -> None:
    """Have Prefect's own command deploy everything in a file.

    Raises:
        ServiceError: it refused, or had not ended after so many seconds.
    """
    command = (sys.executable, "-m", "prefect", "--no-prompt")
    try:
        ran = subprocess.run(
            [*command, "deploy", "--all", "--prefect-file", str(file.resolve())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=most_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(
            f"Prefect had not deployed after {most_seconds:.0f} s",
            where=str(file),
            next_step="see in its pages what it has by now, and run the same command again",
            transient=True,
        ) from error
    if ran.returncode:
        lines = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
        raise ServiceError(
            f"Prefect did not deploy: {lines[-1] if lines else ran.returncode}",
            where=str(file),
            next_step="`prefect server` has to be up: PREFECT_API_URL names it",
        )
