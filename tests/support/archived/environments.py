"""The environment of the archived packages, made on first use by the command that users have."""

import subprocess

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import archived_environment
from quantgate.pipelines.process.environments import LockedEnvironment
from tests.support.project import PROJECT


def archived() -> LockedEnvironment:
    """Return the environment, made if it is not yet (`make test` has made it)."""
    environment = archived_environment(Settings.from_environment())
    if environment.missing():
        subprocess.run([PROJECT / "requirements" / "setup", "archived"], check=True, timeout=1800)
    return environment
