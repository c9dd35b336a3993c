"""`quantgate bundle`, and `quantgate verify NAME@ALIAS --judge`, which makes one and keeps only its proof."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from quantgate.flows.build.bundling import find_build, own_variables, write_bundle
from quantgate.flows.build.states.as_planned import build_as_planned, refuse_other_runtimes
from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools, table_reader, wire
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.disk.trouble import disk_trouble
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.suites.load import load_suite
from quantgate.registry import RegisteredVersion, resolve_reference, verify
from quantgate.registry.proofs.checking import BundleProof


class WireTools(Protocol):
    """Gives every name of a backend or runtime its implementation; see `flows.wiring`."""

    def __call__(self, settings: Settings, servers: Sequence[Server]) -> Tools:
        """Return the tools of this machine, and those of a build's servers."""
        ...


def bundle_command(
    reference: str, file: Path, *, as_json: bool, wire_tools: WireTools = wire
) -> int:
    """Write a bundle that has proved itself, and say what it proves."""
    file = at_home(file)
    version, proof = _bundled(reference, file, wire_tools)
    size_bytes = file.stat().st_size
    if as_json:
        print_plain_json({"file": file, "size_bytes": size_bytes, "proof": proof})
    else:
        print(f"{file}: {version.uri}, {megabytes(size_bytes)}, judged again from its transcripts")
        print(f"next: `quantgate verify {file}`, on any machine")
    return 0


def verify_judged_command(reference: str, *, as_json: bool, wire_tools: WireTools = wire) -> int:
    """Verify every byte of a registered variant, and judge its transcripts in this store again."""
    verify(resolve_reference(reference))
    with temporary_folder() as folder:
        version, proof = _bundled(reference, folder / "proof", wire_tools)
    if as_json:
        print_plain_json({"uri": version.uri, "every_byte": True, "proof": proof})
    else:
        print(f"{version.uri}: every byte is as registered ({version.folder})")
        print(
            f"{proof.decision} on {proof.suite}, judged again from {proof.runs} transcripts of "
            f"{proof.items} items: the same to the last digit"
        )
    return 0


def _bundled(
    reference: str, file: Path, wire_tools: WireTools
) -> tuple[RegisteredVersion, BundleProof]:
    settings = Settings.from_environment()
    version = resolve_reference(reference)
    plan, planned = find_build(version, settings.store)
    with open_board() as board:
        tools = wire_tools(settings, plan.servers)
        refuse_other_runtimes(plan, tools)
        build = build_as_planned(plan, settings, tools, board.unit)
        variables = own_variables(plan.suite, _written_variables(plan.suite, settings))
        try:
            return version, write_bundle(build, planned, version, file, variables)
        except OSError as error:
            step = "have its owner let you write there, or name a file elsewhere: --to FILE"
            raise disk_trouble(error, file.parent, next_step=step) or error from error


def _written_variables(suite: Suite, settings: Settings) -> JsonObject:
    """Return the template variables in a suite's file, where a build laid others over them."""
    if not suite.template_variables or not suite.folder.is_dir():
        return {}
    return load_suite(suite.folder, table_reader(settings)).template_variables
