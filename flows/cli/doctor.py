"""What is installed, what is missing, and how to get it; nothing heavy is imported to find out."""

import importlib.metadata
import os
import shutil
from dataclasses import dataclass

from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import archived_environment, wire
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.process.devices.engines import llamacpp_device, torch_device

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
class Diagnosis:
    """One thing looked at. `remedy` is empty where it is well; not everything is `needed` to be well."""

    name: str
    state: str
    remedy: str = ""
    needed: bool = True


def doctor_command() -> int:
    """Print every diagnosis; the exit code is that of a missing tool where one is missing."""
    settings = Settings.from_environment()
    console = open_console()
    diagnoses = (*_packages(), *_tools(settings), *_archived(settings), *_machine(settings))
    for diagnosis in diagnoses:
        mark = "[green]✓[/]" if not diagnosis.remedy else "[red]✗[/]" if diagnosis.needed else "–"
        console.print(
            f"{mark} {diagnosis.name:<22} {diagnosis.state}", highlight=False, soft_wrap=True
        )
        if diagnosis.remedy:
            console.print(f"  {'':<22} next: {diagnosis.remedy}", highlight=False, soft_wrap=True)
    ill = any(diagnosis.remedy and diagnosis.needed for diagnosis in diagnoses)
    return ToolchainError.exit_code if ill else 0


def _packages() -> tuple[Diagnosis, ...]:
    diagnoses = []
    for name in _PACKAGES:
        try:
            diagnoses.append(Diagnosis(name=name, state=importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            diagnoses.append(Diagnosis(name=name, state="not installed", remedy="make setup"))
    return tuple(diagnoses)


def _tools(settings: Settings) -> tuple[Diagnosis, ...]:
    tools = wire(settings)
    diagnoses = [
        _tool(f"{kind} {name}", tool.missing())
        for kind, named in (("backend", tools.backends), ("runtime", tools.runtimes))
        for name, tool in named.items()
        if name not in _ARCHIVED
    ]
    absent = [name for name in _COMPILER if shutil.which(name) is None]
    diagnoses.append(
        Diagnosis(
            name="compiler",
            state=f"missing: {', '.join(absent)}" if absent else ", ".join(_COMPILER),
            remedy="install them (Debian: apt-get install build-essential git)" if absent else "",
        )
    )
    return tuple(diagnoses)


def _tool(name: str, missing: str | None) -> Diagnosis:
    return Diagnosis(name=name, state=missing or "ready", remedy="make setup" if missing else "")


def _archived(settings: Settings) -> tuple[Diagnosis, ...]:
    """Packages in the environment of their own, which only recipes that name them need."""
    environment = archived_environment(settings)
    if environment.missing() is None:
        return tuple(
            Diagnosis(
                name=f"backend {name}", state=f"ready ({package} {environment.version(package)})"
            )
            for name, package in _ARCHIVED.items()
        )
    remedy = f"{environment.command}, if a recipe of it is wanted"
    return tuple(
        Diagnosis(name=f"backend {name}", state="not set up", remedy=remedy, needed=False)
        for name in _ARCHIVED
    )


def _machine(settings: Settings) -> tuple[Diagnosis, ...]:
    folder = settings.store.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return (
        Diagnosis(
            name="disk",
            state=f"{free / 1e9:.1f} GB free for {settings.store.root}",
            remedy="free some space or set QUANTGATE_STORE" if free < _LEAST_FREE_BYTES else "",
        ),
        Diagnosis(
            name="cores",
            state=f"{os.cpu_count()}: {settings.workers} workers x {settings.threads} threads",
        ),
        Diagnosis(
            name="device",
            state=f"torch on {torch_device()}; llama.cpp on {llamacpp_device()}",
        ),
        Diagnosis(
            name="registry",
            state=redacted(settings.tracking_uri or f"{settings.store.root}/mlflow.db"),
        ),
        Diagnosis(
            name="Prefect",
            state=redacted(settings.prefect_api or "a server of this project, on demand"),
        ),
        Diagnosis(name="hub", state=settings.hub.endpoint),
    )
