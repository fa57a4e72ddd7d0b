"""The jinja2 environment of every HTML page and report: escaping is on, a name that is not given is an error."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from glm_core import i18n


def render(folder: Path, template: str, /, **values) -> str:
    """Fill `template` of `folder`; `t` and `language` are those of the reader.

    Values are escaped; a value of `markupsafe.Markup` is inserted as it is.
    """
    return _environment(folder).get_template(template).render(t=i18n.t, language=i18n.current(), **values)


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
