"""The examples of how to call the API are what a terminal and Python can run."""

import ast
import json
import shlex

from glm_core import workspace
from glm_core.api import openapi
from glm_core.serving import EngineUnavailable
from glm_core.serving.served_models import ServedModel

VALUES = {"base": "http://192.168.1.2:8501", "model": "chatglm-demo"}


def test_the_command_is_one_that_a_shell_reads():
    command = shlex.split(openapi.curl_example(**VALUES, key="k-1").replace("\\\n", " "))
    assert command[:2] == ["curl", "http://192.168.1.2:8501/v1/chat/completions"]
    assert "Authorization: Bearer k-1" in command
    body = json.loads(command[command.index("-d") + 1])
    assert body["model"] == "chatglm-demo" and body["stream"] and body["messages"][0]["role"] == "user"
    assert not any(
        "Authorization" in word for word in shlex.split(openapi.curl_example(**VALUES, key="").replace("\\\n", " "))
    )


def test_the_script_is_python_and_has_a_key_even_where_none_is_needed():
    for key, shown in (("k-1", "k-1"), ("", "local")):
        script = openapi.python_example(**VALUES, key=key)
        ast.parse(script)
        assert f'api_key="{shown}"' in script and 'base_url="http://192.168.1.2:8501/v1"' in script


class Engine:
    def __init__(self, choices):
        self.choices = choices

    def check(self) -> None:
        pass

    def catalogue(self):
        if self.choices is None:
            raise EngineUnavailable("serving.closing")
        return self.choices


def test_the_model_is_one_that_answers_or_the_embedded_one(tmp_path):
    assert openapi.example_model(Engine([ServedModel("x", "x", tmp_path), ServedModel("y", "y", tmp_path)])) == "x"
    assert openapi.example_model(Engine([])) == openapi.example_model(Engine(None)) == workspace.DEMO_MODEL.name
