"""Chat templates are programs of others: whatever one does ends in one line, in bounded time."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.evaluation.chat import ChatFormat, TemplateRefusalError
from quantgate.pipelines.evaluation.templates.calls import RenderCall, TemplateLimits
from quantgate.pipelines.evaluation.templates.child import TemplateChild, template_key
from tests.support.fakes import write_tokenizer

USER = (Message(role="user", content="hi"),)
LIMITS = TemplateLimits(cpu_seconds=0.3, memory_bytes=256 << 20, characters=1_000_000, times=0)


@pytest.fixture(scope="module")
def child() -> Iterator[TemplateChild]:
    yield TemplateChild(LIMITS)


def problem(child: TemplateChild, template: str) -> str:
    call = RenderCall(key=template_key(template), messages=[{"role": "user", "content": "hi"}])
    reply = child.render(template, call)
    assert reply.problem is not None
    assert "\n" not in reply.problem
    return reply.problem


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ 'a' + 1 }}", "TypeError"),
        ("{{ nothing.at.all }}", "UndefinedError: 'nothing' is undefined"),
        ("{{ no_such_function() }}", "UndefinedError"),
        ("{{ messages[7].content }}", "UndefinedError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", "RecursionError"),
        ("{% if %}", "TemplateSyntaxError"),
        ("{{ 1 | no_such_filter }}", "TemplateAssertionError"),
        ("{% include 'secrets' %}", "TypeError"),
        ("{{ '%d' | format('x') }}", "TypeError"),
        ("{{ raise_exception('roles must\nalternate') }}", "roles must alternate"),
        ("{{ 'x' * 10 ** 12 }}", "256 MiB of memory"),
        (
            "{% for i in range(9999) %}{{ 'y' * 1000 }}{% endfor %}",
            "more than 1,000,000 characters",
        ),
    ],
)
def test_whatever_a_template_raises_is_one_line(
    child: TemplateChild, template: str, said: str
) -> None:
    assert said in problem(child, template)


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 7 ** (7 ** messages[0].content | length ** 8) }}",  # one step that Python cannot interrupt
    ],
)
def test_an_endless_template_ends(child: TemplateChild, template: str) -> None:
    started = time.process_time()
    assert "more than 0.3 s of processor time" in problem(child, template)
    assert time.process_time() - started < 1


def test_after_a_template_that_ended_its_process_others_are_rendered(child: TemplateChild) -> None:
    problem(child, "{{ 7 ** (7 ** messages[0].content | length ** 8) }}")
    call = RenderCall(key=template_key("fine"), messages=[{"role": "user", "content": "hi"}])
    assert child.render("fine", call).text == "fine"


def test_a_child_that_is_killed_again_is_an_error_and_no_refusal_of_the_template() -> None:
    child = KilledChild(LIMITS)
    call = RenderCall(key=template_key("fine"), messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(WorkerError, match=r"was killed by SIGKILL .*twice"):
        child.render("fine", call)


class KilledChild(TemplateChild):
    """Somebody kills each child that it starts."""

    def _started(self) -> "subprocess.Popen[str]":
        process = super()._started()
        process.kill()
        process.wait()
        return process


def test_a_template_that_is_slow_with_everything_is_not_tried_for_ever() -> None:
    slow = "{% for i in range(90000) %}{% for j in range(12) %}{% endfor %}{% endfor %}"
    child = TemplateChild(TemplateLimits(total_cpu_seconds=0.2, slow_cpu_seconds=0.001))
    call = RenderCall(key=template_key(slow), messages=[{"role": "user", "content": "hi"}])
    replies = [child.render(slow, call) for _ in range(10)]
    assert replies[0].problem is None
    assert "of processor time for" in (replies[-1].problem or "")


def test_a_child_that_is_ended_from_outside_is_no_fault_of_the_template(
    child: TemplateChild,
) -> None:
    call = RenderCall(key=template_key("fine"), messages=[{"role": "user", "content": "hi"}])
    child.render("fine", call)
    assert child._process is not None
    child._process.kill()
    assert child.render("fine", call).text == "fine"


def test_a_template_may_write_what_a_long_conversation_has_and_not_much_of_its_own() -> None:
    child = TemplateChild()
    text = "x" * 500_000
    template = "{% for i in range(30) %}{{ messages[0].content }}{% endfor %}"
    call = RenderCall(key=template_key("once"), messages=[{"role": "user", "content": text}])
    assert child.render("{{ messages[0].content }}", call).text == text
    much = replace(call, key=template_key(template))
    assert "it writes more than 8," in (child.render(template, much).problem or "")
    own = RenderCall(key=template_key("own"), messages=[{"role": "user", "content": "hi"}])
    assert "more than 20" in (child.render("{{ 'y' * 300000 }}", own).problem or "")


def test_the_line_of_the_template_is_named(tmp_path: Path) -> None:
    write_tokenizer(
        tmp_path, "first\n{% if true %}\n  {{ messages[0].content.no.such }}\n{% endif %}"
    )
    with pytest.raises(TemplateRefusalError) as caught:
        ChatFormat.of(tmp_path).render(USER, ask=True)
    assert "(line 3 of the template: `{{ messages[0].content.no.such }}`)" in caught.value.what


def test_a_template_in_one_line_names_the_tag(tmp_path: Path) -> None:
    long = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}" * 5
    )
    template = long + "{{ 'fine' }}{%- if messages[0].content.no.such -%}x{%- endif -%}" + long
    write_tokenizer(tmp_path, template)
    with pytest.raises(TemplateRefusalError) as caught:
        ChatFormat.of(tmp_path).render(USER, ask=True)
    assert "(line 1 of the template: `{%- if messages[0].content.no.such -%}`)" in caught.value.what


def test_what_draws_at_random_draws_the_same_each_time(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "{{ range(1000) | random }}")
    chat = ChatFormat.of(tmp_path)
    assert chat.render(USER, ask=True) == chat.render(USER, ask=True)


def test_the_process_that_renders_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "{{ messages[0].content }}")
    program = (
        "import pathlib, sys, time\n"
        "from quantgate.pipelines.domain.suites.suite import Message\n"
        "from quantgate.pipelines.evaluation.chat import ChatFormat\n"
        "chat = ChatFormat.of(pathlib.Path(sys.argv[1]))\n"
        "chat.render((Message(role='user', content='hi'),), ask=True)\n"
        "print(chat.child._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.is_dir()
        parent.kill()
    deadline = time.monotonic() + 20
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(process: Path) -> bool:
    try:
        return " Z " not in (process / "stat").read_text()
    except OSError:
        return False
