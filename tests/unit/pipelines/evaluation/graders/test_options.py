"""What a suite file says about graders and what the graders understand are one thing."""

import dataclasses
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from quantgate.pipelines.domain.suites.suite import GraderKind, GraderSpec
from quantgate.pipelines.evaluation.graders.table import GRADERS, grader_for
from quantgate.pipelines.suites.graders.base import GraderFile
from quantgate.pipelines.suites.graders.files import AnyGraderFile
from tests.support.grading.items import pure_grader

ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyGraderFile)


def models() -> dict[str, type[GraderFile]]:
    found: dict[str, type[GraderFile]] = {}
    waiting: list[type[GraderFile]] = [GraderFile]
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        for kind in get_args(model.model_fields["kind"].annotation):
            if isinstance(kind, str) and len(get_args(model.model_fields["kind"].annotation)) == 1:
                found[kind] = model
    return found


@pytest.mark.parametrize("kind", sorted(GRADERS))
def test_a_suite_file_can_ask_for_every_grader_by_its_name_alone_or_it_needs_an_option(
    kind: str,
) -> None:
    required = [name for name, field in models()[kind].model_fields.items() if field.is_required()]
    if required == ["kind"]:
        assert ADAPTER.validate_python(kind).spec() == GraderSpec(kind=kind)  # type: ignore[arg-type]
    else:
        with pytest.raises(ValidationError, match=next(r for r in required if r != "kind")):
            ADAPTER.validate_python(kind)


@pytest.mark.parametrize("kind", sorted(GRADERS))
def test_options_have_the_same_names_and_defaults_in_the_file_and_in_the_grader(kind: str) -> None:
    in_file = {name: field for name, field in models()[kind].model_fields.items() if name != "kind"}
    in_grader = {field.name: field for field in dataclasses.fields(GRADERS[kind])}  # type: ignore[index]

    assert set(in_file) == set(in_grader)
    for name, field in in_file.items():
        ours = in_grader[name]
        needed = ours.default is dataclasses.MISSING and ours.default_factory is dataclasses.MISSING
        assert field.is_required() == needed, name
        if not field.is_required():
            default = (
                ours.default
                if ours.default_factory is dataclasses.MISSING
                else ours.default_factory()
            )
            assert field.get_default(call_default_factory=True) == default, name


@pytest.mark.parametrize("kind", sorted(GRADERS))
def test_an_unknown_option_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ADAPTER.validate_python({"kind": kind, "surely_unknown": 1})


@pytest.mark.parametrize(
    "option",
    [
        {"kind": "exact", "ignore": ["case", "width"]},
        {"kind": "choice", "choices": ["ja", "nein"], "where": "first"},
        {"kind": "regex", "where": "whole", "ignore_case": True},
        {"kind": "contains", "case": False, "words": True},
        {
            "kind": "number",
            "where": "boxed",
            "decimal": "comma",
            "unit": "optional",
            "relative": 0.1,
        },
        {"kind": "number", "absolute": 0.5},
        {"kind": "refusal", "partial": "refuse", "markers": ["no way"]},
        {"kind": "injection", "case": True},
        {"kind": "language", "min_share": 0.5},
    ],
    ids=lambda option: str(option["kind"]),
)
def test_options_of_text_graders_reach_the_grader(option: dict[str, Any]) -> None:
    grader = grader_for(ADAPTER.validate_python(option).spec())

    for name, value in option.items():
        if name != "kind":
            found = getattr(grader.inner, name)
            assert (list(found) if isinstance(found, tuple) else found) == value


def test_every_grader_is_one_of_the_planned_kinds_and_names_its_version() -> None:
    assert set(GRADERS) <= set(get_args(GraderKind))
    versions = {"exact": 2, "choice": 4, "regex": 2, "contains": 2, "number": 2}
    for kind, version in versions.items():
        assert pure_grader(kind).name == f"{kind}@{version}"


@pytest.mark.parametrize("url", ["http://me:pass@judge:1/v1", "https://judge/v1?key=x"])
def test_a_judges_address_in_a_suite_holds_no_secret(url: str) -> None:
    with pytest.raises(ValidationError, match="url_env or api_key_env"):
        ADAPTER.validate_python({"kind": "judge", "model": "big", "url": url})
