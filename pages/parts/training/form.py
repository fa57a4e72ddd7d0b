"""Values of the training page's form: presets, an earlier run, the address, the way back from another page.

The form's values live in `st.session_state` under `set_NAME`; this decides what they begin with and how they follow the
choice of job, model and method. It draws nothing (fields.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import streamlit as st

from glm_core.data import library
from glm_core.data.store import Dataset
from glm_core.models import describe as describe_model
from glm_core.models import is_base
from glm_core.runs import Run, RunError, bases, store
from glm_core.runs.labels import setting_values
from glm_core.serving.served_models import ServedModel
from glm_core.training import defaults
from glm_core.training.settings import PRESETS, TrainingSettings, preset

PRESET_DATA = {"imprint": "imprint", "advertisement": "advertisement", "domain": "appliance"}
PRESET_MODEL = {"imprint": "chatglm-demo", "advertisement": "chatglm-demo", "domain": "bloom-demo"}
SET_ASIDE = 0.2
"Share of rows held out where the report asks for it."


def job_of(dataset: str) -> str:
    """The preset that suits the data set `dataset` of the library."""
    return defaults.job_of(dataset, (example.question for example in library.examples(dataset)))


@dataclass(frozen=True)
class Form:
    """The form over the data sets and base models there are, by id and by name."""

    data: Mapping[str, Dataset]
    models: Mapping[str, ServedModel]

    def fill(self, settings: TrainingSettings) -> None:
        """Put `settings` into the form."""
        st.session_state.filled = settings.to_dict()
        st.session_state.update({f"set_{name}": value for name, value in settings.to_dict().items()})

    def choose_preset(self, name: str, dataset: str = "") -> None:
        """Fill the form with one of the three jobs, as far as its data and model are here; a model of one's own stays.

        Args:
            dataset: what it shall be done with; by default the set that is bundled for it.
        """
        st.session_state.preset = name
        if (wanted := dataset or PRESET_DATA[name]) in self.data:
            st.session_state.dataset = wanted
        if PRESET_MODEL[name] in self.models and not self._keeps_model(name):
            st.session_state.model = PRESET_MODEL[name]
        self.fill(self.suit(name))

    def _keeps_model(self, name: str) -> bool:
        """True where the chosen model is not a bundled one and can do the job, which may ask for a licence that permits commercial use."""
        chosen = self.models.get(st.session_state.get("model"))
        if chosen is None or chosen.name in PRESET_MODEL.values():
            return False
        return name != "domain" or describe_model(chosen.base).family.commercial

    def suit(self, name: str, method: str | None = None) -> TrainingSettings:
        """A preset's settings for the chosen data and the size of the chosen model; the published ones while none is chosen."""
        chosen, dataset = self.models.get(st.session_state.get("model")), st.session_state.get("dataset")
        parameters = describe_model(chosen.base).parameters if chosen else None
        base = chosen is not None and is_base(chosen.base)
        if dataset not in self.data:
            return preset(name, parameters, method)
        return defaults.suggest(name, library.statistics(dataset), parameters, method, is_base=base)

    def follow_data(self) -> None:
        """After another data set was chosen: the job that suits it, with settings that follow its rows."""
        dataset = st.session_state.dataset
        self.choose_preset(job_of(dataset), dataset)

    def refill(self) -> None:
        """After another model or method was chosen: what still is as the preset had it follows."""
        former = {name: value for name, value in st.session_state.get("filled", {}).items() if name != "method"}
        untouched = all(st.session_state.get(f"set_{name}") == value for name, value in former.items())
        if former and untouched and st.session_state.preset:
            self.fill(self.suit(st.session_state.preset, st.session_state.set_method))

    def imitate(self, identifier: str) -> None:
        """Fill the form as the run `identifier` was; a run that is gone changes nothing."""
        try:
            run = store.get(identifier)
        except RunError:
            return
        st.session_state.update(preset="", dataset=run.dataset["id"], model=bases.name_of(run))
        if settings := setting_values.settings_of(run):
            self.fill(settings)

    def go_on_from(self, identifier: str) -> None:
        """Fill the form for going on from the adapter of the run `identifier`: its model, its rows where they are here."""
        try:
            run = store.get(identifier)
        except RunError:
            st.session_state.start_from = ""
            return
        if (model := bases.name_of(run)) in self.models:
            st.session_state.model = model
        if run.dataset["id"] in self.data:
            st.session_state.dataset = run.dataset["id"]
        st.session_state.preset = job_of(st.session_state.dataset)
        self.fill(self.suit(st.session_state.preset))

    @property
    def start(self) -> Run | None:
        """The run whose adapter is gone on from, where there is one and it belongs to the chosen model."""
        try:
            run = store.get(st.session_state.get("start_from") or "")
        except RunError:
            return None
        return run if run.adapter() else None

    def drop_start(self) -> None:
        """Begin anew instead of going on."""
        st.session_state.start_from = ""
        self.refill()

    def hold(self) -> frozenset[str]:
        """Put what the adapter that is gone on from fixes into the form; returns the settings that are not to be changed.

        Raises:
            AdapterError, ModelError: the adapter cannot be read, or its base is gone.
        """
        if self.start is None or bases.name_of(self.start) != st.session_state.model:
            return frozenset()
        fixed = store.fixed_settings(self.start)
        st.session_state.update({f"set_{name}": value for name, value in fixed.items()})
        st.session_state.filled |= fixed
        return frozenset(fixed)

    def begin(self) -> bool:
        """Fill the form at the first visit or as the address asks: `preset`, `dataset`, `model`, or a run to be `like`.

        `aside` holds rows out beside, so that one sees whether the run generalizes.

        A bundled data set without a preset means the job that it is bundled for.

        Returns:
            Whether the data or the model that was chosen is gone, and another one in its place.
        """
        asked = {
            name: st.query_params[name]
            for name in ("preset", "dataset", "model", "like", "aside", "from")
            if name in st.query_params
        }
        filled = "draft" in st.session_state or "set_method" in st.session_state
        if st.session_state.get("asked") != asked or not filled:
            dataset = asked["dataset"] if asked.get("dataset") in self.data else ""
            job = job_of(dataset) if dataset else "imprint"
            self.choose_preset(asked["preset"] if asked.get("preset") in PRESETS else job, dataset)
            if asked.get("model") in self.models:
                st.session_state.model = asked["model"]
                self.fill(self.suit(st.session_state.preset))
            if "like" in asked:
                self.imitate(asked["like"])
            if "aside" in asked:
                st.session_state.set_validation_ratio = SET_ASIDE
            st.session_state.update({name: asked[name] for name in ("dataset", "model") if name in asked})
            st.session_state.start_from = asked.get("from", "")
            if "from" in asked:
                self.go_on_from(asked["from"])
            st.session_state.asked = asked
        elif "set_method" not in st.session_state:  # back from another page, where the form's values are forgotten
            st.session_state.update(st.session_state.draft)
        for name, value in self._defaults().items():  # of another method: not drawn, and forgotten with their widgets
            st.session_state.setdefault(name, value)
        places = (("dataset", self.data), ("model", self.models))
        gone = [name for name, known in places if st.session_state.get(name) not in (None, *known)]
        for name, known in places:
            if st.session_state.get(name) not in known:
                st.session_state[name] = next(iter(known))
        if "dataset" in gone and st.session_state.preset:
            self.follow_data()
        return bool(gone)

    def _defaults(self) -> dict:
        """Value of each setting at the last drawing, by its key in the session."""
        usual = {f"set_{one.name}": one.default for one in fields(TrainingSettings)}
        draft = st.session_state.get("draft", {})
        return {name: draft.get(name, value) for name, value in usual.items()}

    def keep_draft(self) -> None:
        """Remember the form for the way back from another page."""
        names = (
            "start_from",
            "preset",
            "dataset",
            "model",
            "assistant",
            "author",
            *(f"set_{one.name}" for one in fields(TrainingSettings)),
        )
        st.session_state.draft = {name: st.session_state[name] for name in names if name in st.session_state}

    def about(self, name: str) -> str:
        """The text that says what a preset does, with the chosen model or with the usual large one."""
        chosen = st.session_state.preset == name
        adapted = chosen and self.suit(name).method != PRESETS[name].method
        return f"train.preset.{name}_small" if adapted else f"train.preset.{name}_about"

    def read(self) -> TrainingSettings:
        """The settings in the form; those that its widgets do not show keep the values they were filled with."""
        names = [one.name for one in fields(TrainingSettings)]
        return TrainingSettings(**{name: st.session_state[f"set_{name}"] for name in names})
