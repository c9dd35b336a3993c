"""Hook of MkDocs: links out of docs/ lead to the repository, where there is one, and are text elsewhere.

QUANTGATE_REPOSITORY is its address up to the files, such as https://example.org/quantgate/blob/main.
"""

import os
import re

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)\s]+)\)")
_REPOSITORY = "QUANTGATE_REPOSITORY"


def on_page_markdown(markdown: str, **_context: object) -> str:
    """Return a page whose links to files of the repository lead there."""
    repository = os.environ.get(_REPOSITORY, "").rstrip("/")

    def linked(link: re.Match[str]) -> str:
        text, target = link[1], link[2].removeprefix("../")
        return f"[{text}]({repository}/{target})" if repository else text

    return _OUTSIDE.sub(linked, markdown)
