"""A model in words."""

import json

import pytest

from glm_core import i18n, workspace
from glm_core.hub import local_models
from glm_core.hub.local_models import Checked
from glm_core.models import demo_path
from tests.tiny import tiny_chatglm


def test_a_bundled_model_is_described_with_its_size_on_disk():
    line, licence = local_models.model_facts(demo_path())
    assert "ChatGLM" in line and " M " in line and i18n.size(workspace.folder_size(demo_path())) in line
    assert licence == local_models.t("models.licence.bundled")


def test_a_model_of_ones_own_has_its_familys_licence(tmp_path):
    _line, licence = local_models.model_facts(tiny_chatglm(tmp_path / "tiny"))
    assert licence and licence != local_models.t("models.licence.bundled")


def test_a_packed_model_says_how_many_bits_it_has(tmp_path):
    folder = tiny_chatglm(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_bit": 4}))
    assert local_models.model_facts(folder)[0].endswith(" · int4")


def test_a_folder_that_is_no_model_says_why_and_has_no_licence(workspace):
    folder = workspace / "models" / "torn"
    folder.mkdir(parents=True)
    tiny_chatglm(workspace / "models" / "tiny")
    assert local_models.broken() == [folder]
    why, licence = local_models.model_facts(folder)
    assert "torn" in why and licence == ""


@pytest.mark.parametrize(("parameters", "said"), [(6_243_584_000, "6.2 B"), (1e9, "1.0 B"), (9_420_000, "9.4 M")])
def test_parameters_are_counted_in_millions_and_billions(parameters, said):
    assert local_models.parameter_count(parameters) == said


def test_checked_files_are_named_where_they_are_not_what_they_should_be():
    right, wrong, missing = Checked("a", "right"), Checked("b", "wrong"), Checked("c", "missing")
    assert local_models.check_verdict([right, right]) == local_models.t("models.verified", count=2)
    said = local_models.check_verdict([right, wrong, missing])
    assert said.startswith("b：") and "c：" in said and "a：" not in said
