"""All questions of a run at once: asked of the original and the chosen runs, counted by kind, listed in a table."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from glm_core import i18n, state, ui
from glm_core.evaluation.answer_pairs import Difference, Question
from glm_core.evaluation.blind_votes import Pair, VoteSide
from glm_core.evaluation.scoring import METERS, Proportion, meter
from glm_core.evaluation.side_by_side import compare_all, judged
from glm_core.i18n import t
from glm_core.markdown import literal
from glm_core.runs import store
from glm_core.serving.served_models import ServedModel
from pages.parts import blind_vote
from pages.parts.compare.panes import names_of

KINDS = ("seen", "reworded", "unseen", "unrelated")
ROW_HEIGHT, ANSWER_WIDTH = 64, 310  # pixels: three lines of an answer, both sides beside each other


def ask(runs: Sequence[ServedModel], questions: Mapping[str, Sequence[Question]], strength: float, owner: str) -> None:
    """Ask everything, in batches, with progress, and keep the result."""
    asked = [question for kind in KINDS for question in questions.get(kind, [])]
    place = st.empty()
    with place.container():
        bar = st.progress(0.0)
        st.button(t("compare.stop"), key="stop-set", icon=":material/stop_circle:")

        def draw_share(share: float) -> None:
            bar.progress(share, t("compare.set_running", done=int(share * len(asked)), count=len(asked)))

        rows = compare_all(state.engine(), runs, asked, draw_share, owner, strength)
    place.empty()
    made = {"runs": [(run.name, run.step) for run in runs], "strength": strength}
    st.session_state.set_result = made | {"rows": rows}


def draw(runs: Sequence[ServedModel], strength: float) -> None:
    """Result last obtained of exactly these runs: the counts, all answers, and a vote on them; dimmed at another strength."""
    result = st.session_state.get("set_result")
    if not result or result["runs"] != [(run.name, run.step) for run in runs]:
        return
    current = result["strength"] == strength
    steps = i18n.join((f"{run.step or 0:,}" for run in runs), "item")
    st.caption(t("compare.measured", strength=result["strength"], steps=steps))
    if not current:
        st.info(t("compare.measured_other", then=result["strength"], now=strength), icon=":material/tune:")
    with st.container(key="set-current" if current else "set-dimmed"):
        draw_counts(runs, result["rows"])
        draw_answers(runs, result["rows"])
    if not current:
        return
    with st.expander(t("report.vote"), icon=":material/how_to_vote:"):
        draw_vote(runs, result["rows"], result["strength"])


def count(rows: Sequence[Difference]) -> dict[str, Proportion]:
    """Kind -> right answers by the judge; of unrelated questions those that the original answers right count."""
    groups = {kind: [row for row in rows if row.question.kind == kind] for kind in KINDS}
    names = {kind: name for name, kinds in METERS.items() for kind in kinds}
    return {kind: meter(names[kind], [judged(row) for row in group]) for kind, group in groups.items() if group}


def draw_counts(runs: Sequence[ServedModel], rows: Sequence[Sequence[Difference]]) -> None:
    """The counts of one run as figures, of several as a table."""
    counted = [count(one) for one in rows]
    if len(runs) > 1:
        named = [
            {t("compare.run"): name, **{t(f"compare.summary.{kind}"): say(one) for kind, one in counts.items()}}
            for name, counts in zip(names_of(runs), counted, strict=True)
        ]
        st.dataframe(pd.DataFrame(named), hide_index=True)
        return
    for column, (kind, one) in zip(st.columns(len(counted[0])), counted[0].items(), strict=True):
        told = {"delta_color": "off", "delta_arrow": "off", "border": True}
        title, meaning = t(f"compare.summary.{kind}"), t(f"compare.summary.{kind}_help")
        column.metric(title, say(one), beside(kind, one), help=meaning, **told)


def say(one: Proportion) -> str:
    """Right answers of those that can be judged."""
    return f"{one.count} / {one.total}"


def beside(kind: str, one: Proportion) -> str | None:
    """What stands under a count: how many the original answers right, and how many cannot be judged."""
    before = [] if kind == "unrelated" else [t("compare.summary.before", count=one.before)]
    return (
        i18n.join([*before, *([t("compare.summary.unsure", count=one.unsure)] if one.unsure else [])], "item") or None
    )


def draw_answers(runs: Sequence[ServedModel], rows: Sequence[Sequence[Difference]]) -> None:
    """A line a question with all answers."""
    names = [t("compare.column.tuned")] if len(runs) == 1 else names_of(runs)
    table = [
        {
            t("compare.column.kind"): t(f"compare.kind.{first.question.kind}"),
            t("compare.column.question"): first.question.text,
            t("compare.column.verdict"): i18n.join(
                (t(f"report.verdict.{judged(one).name}") for one in (first, *others)), "item"
            ),
            t("compare.original"): first.before,
            **{name: one.after for name, one in zip(names, (first, *others), strict=True)},
        }
        for first, *others in zip(*rows, strict=True)
    ]
    answer, question = (st.column_config.TextColumn(width=width) for width in (ANSWER_WIDTH, "medium"))
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        column_config=dict.fromkeys([t("compare.original"), *names], answer) | {t("compare.column.question"): question},
        row_height=ROW_HEIGHT,
    )


def draw_vote(runs: Sequence[ServedModel], rows: Sequence[Sequence[Difference]], strength: float) -> None:
    """A blind vote on two of the models: the original and a run, or two runs."""
    run = store.get(runs[0].name)
    blind_vote.draw_list(run)
    tuned = [VoteSide(name, one.step or 0, strength) for name, one in zip(names_of(runs), runs, strict=True)]
    models = [VoteSide(runs[0].base.name), *tuned]
    answers = [[row.before for row in rows[0]], *([row.after for row in one] for one in rows)]
    first, second = 0, 1
    if len(runs) > 1:
        couples = [(one, other) for one in range(len(models)) for other in range(one + 1, len(models))]
        said = {couple: " / ".join(literal(str(models[side])) for side in couple) for couple in couples}
        ui.keep_widget("vote-sides")
        first, second = st.selectbox(t("vote.sides"), couples, format_func=said.get, key="vote-sides")
    sides = [
        [judged(row).before.outcome for row in rows[0]],
        *([judged(row).after.outcome for row in one] for one in rows),
    ]
    texts = [row.question.text for row in rows[0]]
    outcomes = zip(sides[first], sides[second], strict=True)
    pairs = [Pair(*one) for one in zip(texts, answers[first], answers[second], outcomes, strict=True)]
    blind_vote.draw_start(run, (models[first], models[second]), pairs, "set-vote")
