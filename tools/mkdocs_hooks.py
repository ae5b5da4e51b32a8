"""For mkdocs: docstrings name things as Sphinx does, :class:`X`; the pages show X as code."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Drop the role and keep the name."""
    return re.sub(r":(?:class|func|meth|attr|mod):(?=<code>)", "", html)
