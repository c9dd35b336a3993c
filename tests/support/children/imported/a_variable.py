"""What sets a variable while it is imported."""

import os

os.environ.setdefault("QUANTGATE_MARK", "set while imported")
