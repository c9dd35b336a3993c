"""The pictures of the documents, drawn from the very functions that judge: `make pictures` writes them anew.

docs/bound.svg: how few breaks a suite of so many items may have, and what its upper bound is then.
docs/pairing.svg: why answers are paired: how far two accuracies have to be apart to be told apart.
docs/groups.svg: what items that share groups are worth.
docs/mcnemar.svg: how lopsided changed answers have to be to tell two variants apart.
docs/detectable.svg: the smallest true break rate that so many items notice.
docs/page.png: the top of a decision page, that of `quantgate demo`, as a browser shows it.
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from shutil import which
from subprocess import run

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from playwright.sync_api import sync_playwright

from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.paired.exact import (
    break_rate_bound,
    detectable_break_rate,
    items_needed,
    mcnemar_p,
)
from quantgate.pipelines.paired.interval import paired_difference_interval

DOCS = Path(__file__).resolve().parents[2] / "docs"
POLICY = Policy()
LIMIT, CONFIDENCE = POLICY.max_break_rate, POLICY.confidence
SIZE, DPI = (7.2, 3.6), 100
_P = 0.05
CHANGED = 0.05
"""Share of items on which base and variant differ in the second picture: 2 % fixed and 3 % broken."""


def bound() -> None:
    """Draw the upper bound of the break rate by the number of reliable items, for 0 to 3 breaks."""
    figure, axes = _sheet()
    for breaks, style in zip(range(4), ("-", "--", "-.", ":"), strict=True):
        items = range(max(10, breaks + 1), 121)
        bounds = [100 * break_rate_bound(breaks, count, CONFIDENCE) for count in items]
        axes.plot(items, bounds, style, color="#333333", label=f"{breaks} broken")
        least = breaks + items_needed(breaks, breaks, max_break_rate=LIMIT, confidence=CONFIDENCE)
        axes.annotate(
            str(least),
            (least, 100 * LIMIT),
            xytext=(14, 5),
            textcoords="offset points",
            ha="center",
        )
    axes.axhline(100 * LIMIT, color="#999999", linewidth=1)
    axes.set(xlabel="items that the base gets reliably right", ylabel="break rate at most, %")
    axes.set(ylim=(0, 40), xlim=(10, 120))
    axes.legend(frameon=False)
    _write(figure, "bound.svg")


def pairing() -> None:
    """Draw the half width of the 95 % interval of a difference, paired and as if two groups had answered."""
    figure, axes = _sheet()
    items = [50, 100, 150, 200, 300, 400, 600, 800, 1000]
    paired = []
    for count in items:
        broke, fixed = round(0.6 * CHANGED * count), round(0.4 * CHANGED * count)
        interval = paired_difference_interval(
            gained=fixed, lost=broke, items=count, confidence=0.95
        )
        paired.append(50 * (interval.high - interval.low))
    unpaired = [100 * 1.96 * (2 * 0.9 * 0.1 / count) ** 0.5 for count in items]
    axes.plot(items, unpaired, "--", color="#333333", label="as if two groups had answered")
    axes.plot(items, paired, "-", color="#333333", label="paired, 5 % of answers changed")
    axes.set(xlabel="items (the base gets 90 % right)", ylabel="± points of accuracy, 95 %")
    axes.set(ylim=(0, None), xlim=(50, 1000))
    axes.legend(frameon=False)
    _write(figure, "pairing.svg")


def groups() -> None:
    """Draw the bound by the number of items, alone and in groups that break as one; nothing broke."""
    figure, axes = _sheet()
    for size, style in zip((1, 2, 5, 10), ("-", "--", "-.", ":"), strict=True):
        items = range(max(10, size), 301, size)
        bounds = [100 * break_rate_bound(0, count, CONFIDENCE, count / size) for count in items]
        label = "each by itself" if size == 1 else f"in groups of {size}"
        axes.plot(items, bounds, style, color="#333333", label=label)
    axes.axhline(100 * LIMIT, color="#999999", linewidth=1)
    axes.set(xlabel="items that the base gets reliably right, none broken")
    axes.set(ylabel="break rate at most, %", ylim=(0, 40), xlim=(10, 300))
    axes.legend(frameon=False)
    _write(figure, "groups.svg")


def mcnemar() -> None:
    """Draw the fewest of the changed answers that have to be broken for McNemar's p to be at most 5 %."""
    figure, axes = _sheet()
    changed = range(6, 61)
    fewest = [_fewest_broken(count) for count in changed]
    axes.plot(changed, [count / 2 for count in changed], ":", color="#333333", label="half of them")
    axes.step(changed, fewest, "-", where="mid", color="#333333", label="p at most 5 %")
    axes.set(
        xlabel="answers that changed between right and wrong", ylabel="of these broken, at least"
    )
    axes.set(ylim=(0, None), xlim=(6, 60))
    axes.legend(frameon=False)
    _write(figure, "mcnemar.svg")


def _fewest_broken(changed: int) -> int:
    more_than_half = range(changed // 2 + 1, changed + 1)
    return next(broke for broke in more_than_half if mcnemar_p(broke, changed - broke) <= _P)


def detectable() -> None:
    """Draw the smallest true break rate that is noticed four times in five, by the number of items."""
    figure, axes = _sheet()
    items = range(10, 401)
    rates = [100 * detectable_break_rate(count, LIMIT, CONFIDENCE) for count in items]
    axes.plot(items, rates, "-", color="#333333", label="noticed four times in five")
    axes.axhline(100 * LIMIT, color="#999999", linewidth=1)
    axes.set(xlabel="items that the base gets reliably right", ylabel="true break rate, %")
    axes.set(ylim=(0, 40), xlim=(10, 400))
    axes.legend(frameon=False)
    _write(figure, "detectable.svg")


def page() -> None:
    """Take the top of the page that `quantgate demo` writes."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store = Path(folder) / "demo"
        run([sys.executable, "-m", "quantgate", "demo", "--to", str(store)], check=True)
        shown = next(store.glob("reports/*/index.html"))
        browser = playwright.chromium.launch(
            executable_path=which("chromium") or which("chromium-browser"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": 1200, "height": 1080}, color_scheme="light")
        tab.goto(shown.as_uri())
        taken = tab.screenshot()
        browser.close()
    # Few colours suffice, and take a third of the bytes.
    Image.open(BytesIO(taken)).quantize(64).save(DOCS / "page.png", optimize=True)


def _sheet() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _write(figure: Figure, name: str) -> None:
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(DOCS / name, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    bound()
    pairing()
    groups()
    mcnemar()
    detectable()
    page()
