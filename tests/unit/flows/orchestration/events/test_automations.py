"""Templates of automations are what Prefect takes, and wait for events that are sent."""

from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore, EventTrigger

from quantgate.flows.orchestration.events import happenings
from tests.support.project import PROJECT

TEMPLATES = sorted((PROJECT / "examples" / "automations").glob("*.yaml"))
ANNOUNCED_BY_OTHERS = "model.announced"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_an_automation_on_events_that_we_send(template: Path) -> None:
    automation = AutomationCore.model_validate(yaml.safe_load(template.read_text()))
    assert isinstance(automation.trigger, EventTrigger)
    for name in automation.trigger.expect:
        assert name == ANNOUNCED_BY_OTHERS or f"| `{name}` |" in (happenings.__doc__ or "")


def test_there_is_one_for_slack_mail_and_webhooks() -> None:
    assert {"slack", "mail", "webhook", "look"} == {path.stem for path in TEMPLATES}
