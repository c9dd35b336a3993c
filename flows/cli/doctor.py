"""What is installed, what is missing, and how to get it; nothing heavy is imported to find out."""

import importlib.metadata
import os
import shutil
from dataclasses import dataclass

from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import archived_environment, equipment
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.secrets import redacted

_PACKAGES = (
    "torch",
    "transformers",
    "llmcompressor",
    "compressed-tensors",
    "llama-cpp-python",
    "datasets",
    "huggingface-hub",
    "mlflow",
    "prefect",
)
_ARCHIVED = {"autoawq": "autoawq", "autogptq": "auto-gptq"}
"""Backends whose package stands in an environment of its own."""
_COMPILER = ("gcc", "g++", "make", "git")
_LEAST_FREE_BYTES = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `remedy` is empty where it is well; not everything is `needed` to be well."""

    name: str
    found: str
    remedy: str = ""
    needed: bool = True


def doctor_command() -> int:
    """Print every finding; the exit code is that of a missing tool where one is missing."""
    settings = Settings.from_environment()
    console = open_console()
    findings = (*_packages(), *_tools(settings), *_archived(settings), *_machine(settings))
    for finding in findings:
        mark = "[green]✓[/]" if not finding.remedy else "[red]✗[/]" if finding.needed else "–"
        console.print(f"{mark} {finding.name:<22} {finding.found}", highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"  {'':<22} next: {finding.remedy}", highlight=False, soft_wrap=True)
    ill = any(finding.remedy and finding.needed for finding in findings)
    return ToolchainError.exit_code if ill else 0


def _packages() -> tuple[Finding, ...]:
    findings = []
    for name in _PACKAGES:
        try:
            findings.append(Finding(name=name, found=importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name=name, found="not installed", remedy="make setup"))
    return tuple(findings)


def _tools(settings: Settings) -> tuple[Finding, ...]:
    tools = equipment(settings)
    findings = [
        _tool(f"{kind} {name}", tool.missing())
        for kind, named in (("backend", tools.backends), ("runtime", tools.runtimes))
        for name, tool in named.items()
        if name not in _ARCHIVED
    ]
    absent = [name for name in _COMPILER if shutil.which(name) is None]
    findings.append(
        Finding(
            name="compiler",
            found=f"missing: {', '.join(absent)}" if absent else ", ".join(_COMPILER),
            remedy="install them (Debian: apt-get install build-essential git)" if absent else "",
        )
    )
    return tuple(findings)


def _tool(name: str, missing: str | None) -> Finding:
    return Finding(name=name, found=missing or "ready", remedy="make setup" if missing else "")


def _archived(settings: Settings) -> tuple[Finding, ...]:
    """Packages in the environment of their own, which only recipes that name them need."""
    environment = archived_environment(settings)
    if environment.missing() is None:
        return tuple(
            Finding(
                name=f"backend {name}", found=f"ready ({package} {environment.version(package)})"
            )
            for name, package in _ARCHIVED.items()
        )
    remedy = f"{environment.command}, if a recipe of it is wanted"
    return tuple(
        Finding(name=f"backend {name}", found="not set up", remedy=remedy, needed=False)
        for name in _ARCHIVED
    )


def _machine(settings: Settings) -> tuple[Finding, ...]:
    folder = settings.store.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return (
        Finding(
            name="disk",
            found=f"{free / 1e9:.1f} GB free for {settings.store.root}",
            remedy="free some space or set QUANTGATE_STORE" if free < _LEAST_FREE_BYTES else "",
        ),
        Finding(
            name="cores",
            found=f"{os.cpu_count()}: {settings.workers} workers x {settings.threads} threads",
        ),
        Finding(
            name="registry",
            found=redacted(settings.tracking_uri or f"{settings.store.root}/mlflow.db"),
        ),
        Finding(
            name="Prefect",
            found=redacted(settings.prefect_api or "a server of this project, on demand"),
        ),
        Finding(name="hub", found=settings.hub.endpoint),
    )
