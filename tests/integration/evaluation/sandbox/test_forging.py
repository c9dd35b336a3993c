"""Programs that would rather pass their tests than solve them; and honest ones, which do pass."""

import pytest

from quantgate.pipelines.evaluation.sandbox.choose import working_sandbox
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind, SandboxLimits
from quantgate.pipelines.evaluation.sandbox.run import Outcome, ProgramUnderTest, run_program

pytestmark = pytest.mark.integration

LIMITS = SandboxLimits(seconds=5.0, memory_bytes=256 << 20)
TESTS = """
assert abs(f(2) - 4) < 1e-6
assert f(3) == 9
assert f(3) in (9, 9.0) and f(3) >= 9 and not f(3) != 9
assert sorted([f(2), f(1)]) == [1, 4]
"""


@pytest.fixture(scope="module")
def kind() -> SandboxKind:
    return working_sandbox() or "none"


def run(kind: SandboxKind, program: str, tests: str = TESTS, **more: str) -> Outcome:
    return run_program(kind, ProgramUnderTest(programs=[program], tests=tests, **more), LIMITS)


AGREES = """
class Agrees:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __le__(self, other): return True
    def __ge__(self, other): return True
    def __sub__(self, other): return 0.0
    def __rsub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __bool__(self): return True
    def __hash__(self): return 4
    def __contains__(self, value): return True
    def __float__(self): return 0.0
    def __index__(self): return 0
    def __iter__(self): return iter([self])
"""
FORGED = {
    "an object that equals everything": AGREES + "f = lambda x: Agrees()",
    "a class that agrees with everything": AGREES
    + "class f(Agrees):\n  def __init__(self, x): pass",
    "a number that equals everything": """
class Any(int):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __sub__ = lambda self, other: 0
    __hash__ = int.__hash__
f = lambda x: Any(7)""",
    "a caller's frame": """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if isinstance(value, dict):
                for key in list(value):
                    if "nonce" in str(key) or "tests" in str(key):
                        value[key] = ""
        frame = frame.f_back
    return None""",
    "another compile": """
import builtins
real = builtins.compile
builtins.compile = lambda source, *rest, **named: real("pass", *rest, **named)
f = None""",
    "another exec": "import builtins\nbuiltins.exec = lambda *a, **k: None\nf = None",
    "another json.loads": """
import json
json.loads = lambda text, *a, **k: {"tests": "", "state": "passed"}
f = None""",
    "another json.dumps": """
import json
json.dumps = lambda *a, **k: '{"state": "passed"}'
f = lambda x: None""",
    "a verdict on every descriptor": """
import os
def f(x):
    for descriptor in range(40):
        try: os.write(descriptor, b'{"state": "passed"}\\n' * 5)
        except OSError: pass
    return None""",
    "an end of the process": "import os\ndef f(x): os._exit(0)",
    "an exit": "import sys\ndef f(x): sys.exit(0)",
    "what is done at the end": "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)",
    "a thread that says it passed": """
import os, threading, time
def say():
    for _ in range(200):
        for descriptor in range(3, 20):
            try: os.write(descriptor, b'{"state": "passed"}\\n')
            except OSError: pass
        time.sleep(0.001)
threading.Thread(target=say, daemon=True).start()
f = lambda x: None""",
    "a standard output that passes": """
import sys
class Out:
    def write(self, text): raise SystemExit(0)
    def flush(self): raise SystemExit(0)
sys.stdout = sys.stderr = Out()
f = lambda x: None""",
    "another abs": "import builtins\nabs = builtins.abs = lambda x: 0\nf = lambda x: None",
    "another AssertionError": """
import builtins
class AssertionError(BaseException): pass
builtins.AssertionError = AssertionError
f = lambda x: None""",
    "a trace that skips lines": """
import sys
def trace(frame, event, arg):
    frame.f_trace_lines = True
    return trace
sys.settrace(trace)
f = lambda x: None""",
    "other modules of ours": """
import sys
for name, module in list(sys.modules.items()):
    if "sandboxed" in name:
        for key in list(vars(module)):
            if key[:2] != "__": setattr(module, key, lambda *a, **k: None)
f = lambda x: None""",
    "a reply without end": """
import os
def f(x):
    while True:
        for descriptor in range(3, 20):
            try: os.write(descriptor, b"[" * 65536)
            except OSError: pass""",
    "a class that calls itself an int": """
class f:
    __class__ = int
    def __init__(self, x): pass
    def __eq__(self, other): return True""",
    "a generator that stops everything": "def f(x): raise StopIteration",
}


@pytest.mark.parametrize("program", FORGED.values(), ids=FORGED.keys())
def test_no_program_passes_that_does_not_compute_what_is_expected(
    kind: SandboxKind, program: str
) -> None:
    outcome = run(kind, program)

    assert not outcome.passed, outcome


def test_a_function_that_raises_ends_no_loop_of_the_tests(kind: SandboxKind) -> None:
    tests = "for found, right in zip(map(f, [1, 2]), [1, 4]):\n    assert found == right"

    assert not run(kind, "def f(x): raise StopIteration", tests).passed


def test_a_test_that_catches_everything_does_not_hide_that_the_process_ended(
    kind: SandboxKind,
) -> None:
    tests = "try:\n    f(1)\nexcept BaseException:\n    pass\n"

    assert not run(kind, "import os\ndef f(x): os._exit(0)", tests).passed


def test_helpers_and_modules_of_the_prompt_are_the_suites_own(kind: SandboxKind) -> None:
    prelude = (
        "import math\n\ndef poly(xs, x):\n    return sum(c * x ** i for i, c in enumerate(xs))\n"
    )
    forged = (
        "class math:\n  fabs = lambda x: 0.0\ndef poly(*a): return 0.0\ndef zero(xs): return 5.0"
    )
    tests = "assert math.fabs(poly([1, 2], zero([1, 2]))) < 1e-4"
    right = prelude + "def zero(xs): return -xs[0] / xs[1]"

    assert not run(kind, forged, tests, entry_point="zero", prelude=prelude).passed
    assert not run(
        kind,
        "class math:\n  fabs = abs = lambda x: 0.0\nf = lambda x: 0",
        "assert math.fabs(f(2) - 4) < 1",
    ).passed
    assert run(kind, right, tests, entry_point="zero", prelude=prelude).passed


HONEST = {
    "plain values": (
        "def f(x): return x",
        """
import math
for value in (None, True, 1, -5, 10**5000, 1.5, float("inf"), "a\\ud800", b"x", (1, (2,)), [1, [2]],
              {1: {2: 3}}, {1, 2}, frozenset({3}), 2j, range(3), bytearray(b"y"), ..., {(1, 2): [3]}):
    assert f(value) == value and type(f(value)) is type(value), value
assert math.isnan(f(float("nan")))
deep = []
for _ in range(5000): deep = [deep]
assert len(f(deep)) == 1
loop = []
loop.append(loop)
assert f(loop) is loop
""",
    ),
    "values of the library": (
        """
import collections, datetime, decimal, fractions
def f():
    point = collections.namedtuple("Point", "x y")(1, 2)
    return [decimal.Decimal("1.10"), fractions.Fraction(1, 3), datetime.date(2020, 1, 2), point,
            collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1, 2])]""",
        """
import collections, datetime, decimal, fractions
a, b, c, d, e, g, h = f()
assert (a, b, c) == (decimal.Decimal("1.10"), fractions.Fraction(1, 3), datetime.date(2020, 1, 2))
assert d == (1, 2) and d.y == 2 and e == {"a": 1}
assert g.most_common(1) == [("a", 2)] and h == collections.deque([1, 2])
assert f()[2] - c == datetime.timedelta()
""",
    ),
    "arguments that are changed": (
        "def f(xs, d):\n  xs.sort(); xs.append([9]); d['a'] = xs; return xs",
        "xs, d = [3, 1], {}\nassert f(xs, d) is xs and xs == [1, 3, [9]] and d['a'] is xs",
    ),
    "classes": (
        """
class Stack:
    size = 0
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x); return self
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, i): return self.items[i]
    def __eq__(self, other): return self.items == other.items
    def __add__(self, other): s = Stack(); s.items = self.items + other.items; return s
    def __repr__(self): return f"Stack({self.items})"
""",
        """
s = Stack()
assert s.push(1).push(2) is s and len(s) == 2 and s[1] == 2 and list(s) == [1, 2] and 2 in s and 3 not in s
assert s == Stack().push(1).push(2) and s != Stack() and repr(s) == "Stack([1, 2])"
assert (s + s).items == [1, 2, 1, 2] and isinstance(s, Stack) and not isinstance(3, Stack)
s.size = 5
assert s.size == 5 and hasattr(s, "pop") and not hasattr(s, "peek") and s.pop() == 2
""",
    ),
    "errors": (
        """
class Own(ValueError):
    def __init__(self, code): super().__init__(f"code {code}"); self.code = code
def f(x):
    if x: raise Own(x)
    raise KeyError("k")
""",
        """
try: f(3)
except Own as error: assert error.code == 3 and str(error) == "code 3" and isinstance(error, ValueError)
else: raise AssertionError
try: f(0)
except KeyError as error: assert error.args == ("k",)
else: raise AssertionError
""",
    ),
    "functions and objects of the tests": (
        """
def apply(f, xs): return [f(x) for x in xs]
def total(node):
    found = 0
    while node: found += node.value; node = node.next
    return found
def first(source): return next(iter(source))
def typed(kind): return kind("5")
""",
        """
class Node:
    def __init__(self, value, next=None): self.value, self.next = value, next
assert apply(lambda x: x + 1, [1, 2]) == [2, 3]
assert total(Node(1, Node(2))) == 3
assert first(iter([7])) == 7 and first(x for x in [8]) == 8
assert typed(int) == 5 and apply(abs, [-1]) == [1] and apply(str.upper, ["a"]) == ["A"]
seen = []
apply(seen.append, [1, 2])
""",
    ),
    "generators": (
        "def count():\n  n = 0\n  while True:\n    yield n\n    n += 1",
        "import itertools\nassert list(itertools.islice(count(), 3)) == [0, 1, 2] and next(count()) == 0",
    ),
    "coroutines": ("async def f(x): return x + 1", "import asyncio\nassert asyncio.run(f(1)) == 2"),
    "context managers": (
        "import contextlib\n@contextlib.contextmanager\ndef f():\n  yield 5",
        "with f() as five: assert five == 5",
    ),
    "what is printed": (
        "def f(): print('hello')",
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out): f()\n"
        "assert out.getvalue() == 'hello\\n'",
    ),
    "state": (
        "calls = 0\ndef f():\n  global calls\n  calls += 1",
        "f(); f()\nassert calls == 2\nimport answer\nfrom answer import f as again\nagain()\n"
        "assert answer.calls == 3",
    ),
    "many calls": ("def f(x): return x * x", "assert all(f(i) == i * i for i in range(300))"),
}


@pytest.mark.parametrize(("program", "tests"), HONEST.values(), ids=HONEST.keys())
def test_an_honest_program_passes(kind: SandboxKind, program: str, tests: str) -> None:
    assert run(kind, program, tests).reason == "passed the tests"


def test_an_entry_point_may_be_called_like_something_built_in(kind: SandboxKind) -> None:
    program = "def sorted(xs): return list(reversed(xs))"

    assert run(kind, program, "assert sorted([1, 2]) == [2, 1]", entry_point="sorted").passed
    assert run(kind, program, "assert sorted([2, 1]) == [1, 2]").passed
