"""A report in the few sentences that the model card of an export carries."""

from glm_core.errors import EasyError
from glm_core.evaluation import report
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.report_files import export
from glm_core.runs import store
from glm_core.serving import served_models


def sentences(run: str) -> tuple[str, ...]:
    """Return the headline of the report of `run`, what it was made of, and the doubts; empty where none is of the adapter in use."""
    try:
        found, choice = report.read(store.get(run)), served_models.find(run)
    except EasyError:
        return ()
    if found is None or not report.is_of(found, choice):
        return ()
    return (conclusion.headline(found), export.about(found), *conclusion.doubts(found))
