"""Our description of the API is the API: the same routes, fields and ranges; and what schemathesis makes of it breaks nothing."""

import contextlib
import copy
import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from glm_core.api import openapi, parsing, routes
from glm_core.auth import accounts, api_keys
from glm_core.auth.network.sharing import Sharing
from glm_core.auth.requests.middleware import AuthMiddleware
from glm_core.auth.requests.rejections import ERROR_TYPES
from glm_core.serving import errors as serving_errors

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is in requirements-dev.txt")

QUESTION = {"messages": [{"role": "user", "content": "你好"}]}
BODIES = {"ChatRequest": (parsing.parse, QUESTION), "TextRequest": (parsing.parse_legacy, {"prompt": "你好"})}


def fields(schema: str) -> dict:
    return openapi.description()["components"]["schemas"][schema]["properties"]


def numbers(schema: str):
    """(name, description) of every field that is a number with bounds."""
    for name, field in fields(schema).items():
        for branch in field.get("anyOf", [field]):
            if "minimum" in branch and "maximum" in branch and branch["minimum"] < branch["maximum"]:
                yield name, branch


def test_every_route_is_described_and_no_other():
    described = {
        (path, method.upper()) for path, methods in openapi.description()["paths"].items() for method in methods
    }
    served = {
        (one.path.replace(":rest", ""), method)
        for one in routes.routes(lambda: None)
        for method in one.methods - {"HEAD"}
        if one.include_in_schema
    }
    assert described == {(path, method) for path, method in served if path != "/v1/{rest}"}


@pytest.mark.parametrize("schema", BODIES)
def test_the_described_ranges_are_those_that_are_checked(schema):
    parse, asked = BODIES[schema]
    found = dict(numbers(schema))
    assert {"temperature", "top_p", "top_k", "min_p", "seed", "n", "max_tokens", "presence_penalty"} <= set(found)
    for name, field in found.items():
        record = asked | {"model": "tiny"}
        for value in (field["minimum"], field["maximum"], None):
            parse(json.dumps(record | {name: value}).encode())
        for value in (field["minimum"] - 1, field["maximum"] + 1, "1"):
            with pytest.raises(serving_errors.RequestError) as caught:
                parse(json.dumps(record | {name: value}).encode())
            assert caught.value.field == name


@pytest.mark.parametrize("schema", BODIES)
def test_a_body_is_closed_so_that_nothing_is_ignored_in_silence(schema):
    described = openapi.description()["components"]["schemas"][schema]
    assert described["additionalProperties"] is False


def test_every_error_is_described():
    kinds = [
        kind
        for kind in vars(serving_errors).values()
        if isinstance(kind, type) and issubclass(kind, serving_errors.ServingError)
    ]
    assert {kind.status for kind in kinds} | set(ERROR_TYPES) <= set(openapi.ERRORS)


# served


@pytest.fixture
def shared(engine):
    """The API behind the guard, shared; gives the application and a key."""
    sharing = Sharing(allowed=["testserver"])
    sharing.on = True
    _, secret = api_keys.create(accounts.create("the-trainer", "correct horse", "trainer"), "fuzz", api_keys.LIMITS[1])
    return Starlette(
        routes=routes.routes(lambda: engine), middleware=[Middleware(AuthMiddleware, sharing=sharing)]
    ), secret


def test_it_is_for_those_who_may_come_in(shared):
    app, secret = shared
    client = TestClient(app, follow_redirects=False)
    for path in ("/openapi.json", "/metrics"):
        refused = client.get(path)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == "invalid_api_key"
        assert client.get(path, headers={"accept": "text/html"}).status_code == 303
    answer = client.get("/openapi.json", headers={"authorization": f"Bearer {secret}"})
    assert (
        answer.json() == json.loads(json.dumps(openapi.description()))
        and answer.headers["x-ratelimit-limit-requests"] == "6000"
    )
    assert (
        client.get("/openapi.json", headers={"authorization": "Bearer x"}).json()["error"]["type"]
        == "authentication_error"
    )


@pytest.mark.parametrize(
    "path, allowed", [("/v1/models", "GET"), ("/v1/models/x/y", "GET"), ("/v1/completions", "POST")]
)
def test_a_method_that_an_address_does_not_take_is_an_api_error(shared, path, allowed):
    app, secret = shared
    for method in {"GET", "POST", "PUT", "OPTIONS", "TRACE"} - {allowed}:
        answer = TestClient(app).request(method, path, headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == 405 and answer.headers["allow"] == allowed
        assert answer.json()["error"]["code"] == "method_not_allowed"


def test_a_defect_is_an_api_error_with_a_number_and_no_detail(monkeypatch, caplog):
    def broken():
        raise ZeroDivisionError("secret path")

    answer = TestClient(Starlette(routes=routes.routes(broken))).post(
        "/v1/chat/completions", json=QUESTION | {"model": "tiny"}
    )
    assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
    assert "secret path" not in answer.text and "secret path" in caplog.text
    assert answer.json()["error"]["message"].rstrip("。")[-6:] in caplog.text


# fuzzing


def short_answers() -> dict:
    """The description, narrowed to what the tiny model answers, and to answers that take no time."""
    description = copy.deepcopy(openapi.description())
    schemas = description["components"]["schemas"]
    for name in ("Message", "InputItem"):
        message = schemas[name]["properties"]
        message["role"], message["content"] = {"const": "user"}, {"type": "string", "pattern": "^[a-z]{1,9}$"}
        if "tool_calls" in message:  # many long ones do not fit into the tiny model
            message["tool_calls"] = {"type": "null"}
    for name in ("ChatRequest", "TextRequest", "ResponsesRequest"):
        request = schemas[name]
        request["properties"]["model"] = {"enum": ["tiny", "nothing"]}
        for tokens in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
            if tokens in request["properties"]:
                request["properties"][tokens] = {"type": "integer", "minimum": 1, "maximum": 6}
        request["required"] = request["required"] + [
            "max_output_tokens" if name == "ResponsesRequest" else "max_tokens"
        ]
        for field in (*GRAMMARS, "stream_options", "echo"):  # these may be wrong in ways that no description can tell
            if field in request["properties"]:
                request["properties"][field] = {"type": "null"}
    schemas["TextRequest"]["properties"]["prompt"] = {"type": "string", "pattern": "^[a-z]{1,9}$"}
    return description


GRAMMARS = (
    "response_format",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "structured_outputs",
    "tools",
    "tool_choice",
    "text",
    "logit_bias",
    "continue_final_message",
    "add_generation_prompt",
)
CHECKS = [
    schemathesis.checks.positive_data_acceptance,
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.negative_data_rejection,
]
OPERATIONS = [(path, method) for path, methods in openapi.description()["paths"].items() for method in methods]


@pytest.mark.slow
@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
@pytest.mark.parametrize("path, method", OPERATIONS)
def test_fuzzing_brings_described_answers_only(shared, path, method, mode):
    """No 5xx, no status and no form of an answer that is not described; wrong input is refused."""
    app, secret = shared
    schema = schemathesis.openapi.from_dict(short_answers() if mode is mode.POSITIVE else openapi.description())
    schema.app = app
    statuses = Counter()

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(schema[path][method].as_strategy(generation_mode=mode))
    def fuzz(case):
        answer = case.call(headers={"authorization": f"Bearer {secret}"})
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    with contextlib.suppress(Unsatisfiable):  # nothing can be wrong about a GET without parameters
        fuzz()
    if method == "post":
        right, wrong = statuses[200], statuses[400]
        assert right > wrong if mode is mode.POSITIVE else wrong > right, statuses
