"""A build started from Prefect's own pages: the flow whose parameters are the form."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from quantgate.flows.build.clearing.usage import in_use
from quantgate.flows.build.planning.plans import plan_build
from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.orchestration.running import run_build
from quantgate.flows.progress.board import plain_board
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import STORE_VARIABLE
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES, parse_recipes

AbsolutePath = Annotated[str, Field(pattern=r"^/", min_length=2)]
Text = Annotated[str, Field(min_length=1)]


@flow(name="build-from-form", flow_run_name="{build_file}")
def build_from_form(
    build_file: AbsolutePath,
    store: AbsolutePath,
    model: Text | None = None,
    recipes: Text | None = None,
    anyway: bool = False,
) -> JsonObject:
    """Build, judge and register the variants that a build file names.

    Args:
        build_file: The build file (YAML), an absolute path on the machine that runs this.
        store: The store that is built into, an absolute path there.
        model: Another checkpoint than the build file's: a folder, or org/name[@revision].
        recipes: Other recipes than the build file's: names or patterns, by commas.
        anyway: Build also where nothing can pass.
    """
    os.environ[STORE_VARIABLE] = store
    file = Path(build_file)
    if not file.is_file():
        raise InputError(
            "there is no such build file",
            where=build_file,
            next_step="check the deployment's parameter build_file",
        )
    settings, board = Settings.from_environment(), plain_board()
    prepare(settings.store)
    overrides = BuildOverrides(model=model, recipes=parse_recipes(recipes) if recipes else None)
    spec = load_build(file, overrides, DEFAULT_RECIPES)
    with in_use(settings.store) as use:
        plan = plan_build(replace(spec, anyway=anyway), settings, board.say)
        use.runs(plan.name)
        result = run_build(plan, settings, board)
    return {"page": str(result.page), "exit_code": result.exit_code}
