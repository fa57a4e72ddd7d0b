"""The clients that are programs of their own: Node's, lm-eval, evalscope, and what chat pages in a browser send.

Importing this registers them, and the lines of docs/clients.md, among `features.FEATURES`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients import lines
from tests.clients.features import FEATURES, LONG, MESSAGES, MODEL, TOOL, feature

NODE_FEATURES = {
    "openai-node": ("answer", "stream", "schema", "tools", "logprobs", "responses"),
    "ai-sdk": ("answer", "stream", "schema", "tools"),
}
WEB_PAGE = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site", "Authorization": "Bearer any"}


def _run_node(client: str, name: str, url: str) -> None:
    folder = lines.node_folder()
    done = subprocess.run(["node", "clients.mjs", client, name, url], cwd=folder, **lines.CAPTURED)
    assert done.returncode == 0, done.stderr[-400:]


for _client, _names in NODE_FEATURES.items():
    for _name in _names:
        feature(_client, _name)(lambda url, client=_client, name=_name: _run_node(client, name, url))


# lm-eval and evalscope


@feature("lm-eval", "logprobs")
def lm_eval_picks_what_the_command_picks(url):
    """The log-likelihoods of lm-eval through the API choose what `python -m glm_core benchmark` chooses, task for task."""
    with tempfile.TemporaryDirectory() as folder:
        text = lines.text_for("lm-eval", url).rstrip() + " --log_samples --output_path out\n"
        lines.run_script("bash", text, folder, lines.COMMANDS["lm-eval"])
        samples = next(Path(folder).glob("out/*/samples_*.jsonl")).read_text(encoding="utf-8").splitlines()
        theirs = [_likeliest(json.loads(line)["resps"]) for line in samples]
        command = [
            os.environ.get("EASYAIGC_CLIENTS_SERVER", sys.executable),
            "-m",
            "glm_core",
            "benchmark",
            MODEL,
            "--json",
        ]
        home = {**os.environ, "EASYAIGC_HOME": folder}
        ours = json.loads(subprocess.run(command, cwd=lines.ROOT, env=home, **lines.CAPTURED).stdout)
    assert [one["before"] for one in ours["picks"]] == theirs


def _likeliest(answers: list) -> int:
    totals = [float(one[0][0]) for one in answers]
    return totals.index(max(totals))


# what chat pages send from a browser


def _post(url: str, body: dict, **headers: str) -> str:
    """Return the text of a streamed answer."""
    import httpx

    answer = httpx.post(f"{url}/chat/completions", json=body, headers=WEB_PAGE | headers, timeout=120)
    assert answer.status_code == 200, answer.text
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert answer.text.rstrip().endswith("[DONE]")
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


@feature("NextChat", "stream")
def nextchat_stream(url):
    sampled = {"temperature": 0.5, "presence_penalty": 0, "frequency_penalty": 0, "top_p": 1}
    told = [{"role": "system", "content": "你是一个助手"}, *MESSAGES]
    assert _post(
        url, {"messages": told, "stream": True, "model": MODEL, **sampled}, **{"X-Requested-With": "XMLHttpRequest"}
    )


@feature("NextChat", "tools")
def nextchat_plugins(url):
    """A plugin's call, and its result sent back with the tool's message."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"北京"}'},
        "index": 0,
    }
    told = [*MESSAGES, {"role": "assistant", "content": "", "tool_calls": [call]}]
    told.append({"role": "tool", "name": "get_weather", "content": "晴", "tool_call_id": "c1"})
    assert _post(
        url, {"messages": told, "stream": True, "model": MODEL, "temperature": 0.5, "tools": [TOOL], "max_tokens": 40}
    )


@feature("ChatBox", "stream")
def chatbox_stream(url):
    parts = [{"role": "user", "content": [{"type": "text", "text": "你好"}]}]
    usage = {"stream_options": {"include_usage": True}}
    assert _post(url, LONG | {"messages": parts, "stream": True, "temperature": 0.7, "top_p": 1, **usage})


@feature("LobeChat", "stream")
def lobechat_stream(url):
    sampled = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "stream": True}
    usage = {"stream_options": {"include_usage": True}}
    stainless = {"X-Stainless-Lang": "js", "X-Stainless-Runtime": "browser:chrome", "X-Stainless-Retry-Count": "0"}
    assert _post(url, {"messages": MESSAGES, "model": MODEL, "user": "u-1", **sampled, **usage}, **stainless)


# the lines of docs/clients.md

for _client in lines.blocks():
    feature(_client, "lines")(lambda url, client=_client: lines.run_lines(client, url))

__all__ = ["FEATURES"]
