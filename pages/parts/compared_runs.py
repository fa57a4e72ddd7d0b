"""Several runs in one table: their three meters, and the settings in which they differ. For the compare and the report page."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from glm_core.evaluation import report, scoring
from glm_core.evaluation.report import Report
from glm_core.evaluation.report_files import export
from glm_core.i18n import t
from glm_core.markdown import numbered
from glm_core.runs import Run, store
from glm_core.runs.labels import setting_values


def draw(runs: Sequence[Run], made: Mapping[str, Report] | None = None) -> None:
    """A row a run; a dash where it has no report yet.

    Args:
        made: reports at hand by run, which need not be read again.
    """
    differing = store.differences(list(runs))
    rows = []
    for place, (run, name) in enumerate(zip(runs, numbered([run.name for run in runs]), strict=True)):
        found = (made or {}).get(run.id) or report.read(run)
        meters = {
            t(f"report.meter.{name}"): export.number(found.meters[name]) if found else "–" for name in scoring.METERS
        }
        settings = {
            setting_values.name_of(key): setting_values.value_of(key, values[place])
            for key, values in differing.items()
        }
        rows.append({t("compare.run"): name, **meters, **settings})
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    if len(runs) > 1 and not differing:
        st.caption(t("compare.same_settings"))
