"""The scripts of the other example, which this one learns from: they stand in its own folder."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3]
sys.path.append(str(EXAMPLES / "support-desk" / "train"))
