"""The jinja2 environment of every HTML page and report: escaping is on, a name that is not given is an error."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from glm_core import i18n


def render(folder: Path, template: str, /, **values) -> str:
    """Fill `template` of `folder`; `t` and `language` are those of the reader.

    Values are escaped; a value of `markupsafe.Markup` is inserted as it is. In a style sheet a value belongs in quotes,
    through the filter `css`.
    """
    return _environment(folder).get_template(template).render(t=i18n.t, language=i18n.current(), **values)


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["css"] = _css_string
    return environment


def _css_string(text: str) -> str:
    """Text inside the quotes of a CSS string: every sign that could end it or the style sheet is its code point."""
    return "".join(sign if sign.isalnum() else f"\\{ord(sign):x} " for sign in text)
