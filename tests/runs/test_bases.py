"""Where the base of a run is after somebody renamed, moved or deleted its folder."""

import shutil

import pytest

from glm_core.models.checkpoints import fingerprint
from glm_core.runs import bases, store
from glm_core.serving import served_models
from tests.runs.conftest import make
from tests.tiny import tiny_chatglm


@pytest.fixture
def base(workspace):
    return tiny_chatglm(workspace / "models" / "tiny")


@pytest.fixture
def run(base):
    """A run on that base, with something that counts as an adapter."""
    made = make()
    store.change(made, model=str(base), model_name="tiny", fingerprint=fingerprint(base))
    (made.path / "adapter").mkdir()
    workspace_file = made.path / "adapter" / "easyaigc.json"
    workspace_file.write_text('{"step": 5}')
    return store.get(made.id)


def test_a_renamed_base_is_found_by_its_weights(run, base):
    base.rename(base.with_name("renamed"))
    tiny_chatglm(base, seed=1)  # another model has taken its name, in the place where the run looks first
    assert bases.of(run) == base
    shutil.rmtree(base)
    assert bases.of(run) == base.with_name("renamed").resolve() and bases.name_of(run) == "renamed"
    [tuned] = [one for one in served_models.catalogue() if one.tuned]
    assert tuned.base == base.with_name("renamed").resolve() and served_models.without_base() == []
    [original] = [one for one in served_models.catalogue() if one.name == "renamed"]
    assert [one.id for one in served_models.trained_on(original)] == [run.id]
    assert store.clone(run).model == str(base.with_name("renamed").resolve())


def test_without_a_fingerprint_a_base_of_the_same_name_is_taken(run, base, tmp_path):
    store.change(run, fingerprint="", model=str(tmp_path / "elsewhere" / "tiny"))
    assert bases.of(store.get(run.id)) == base.resolve()


def test_a_run_whose_base_is_gone_is_listed_among_those_without_one(run, base):
    shutil.rmtree(base)
    assert bases.of(run) is None and bases.name_of(run) == "tiny"
    assert [one.id for one in served_models.without_base()] == [run.id]
    assert not [one for one in served_models.catalogue() if one.tuned]
