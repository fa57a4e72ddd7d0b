"""Chat templates: equal to the library's rendering, labels that are the answers and their ends, and nothing a stranger can do."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from glm_core.models import LoadedModel, ModelError, load_tokenizer, plain_formats
from glm_core.models.chat_templates import ChatTemplate
from glm_core.models.rendering.process import RenderingTooHeavy, TemplateProcess
from glm_core.runs.exchange import model_files
from tests.families import family_named
from tests.models.bytelevel import write_tokenizer
from tests.models.decoders import write_decoder

PUBLISHED = Path(__file__).with_name("templates")
SPECIAL = ["<pad>", "</s>", "<|im_start|>", "<|im_end|>", "<|system|>", "<|user|>", "<|assistant|>", "[gMASK]", "<sop>"]
CHATML = (
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)
# As GLM-Edge and GLM-Z1 are published: neither has an end of its own behind an answer.
EDGE = (PUBLISHED / "glm-edge.jinja").read_text("utf-8").removesuffix("\n")
THINKING = (
    "[gMASK]<sop>{%- for m in messages %}{%- if m.role == 'assistant' %}{% set c = m.content %}"
    "{%- if '</think>' in c %}{%- set c = c.split('</think>')[-1] %}{% endif %}<|assistant|>\n{{ c | trim }}"
    "{%- else %}<|{{ m.role }}|>\n{{ m.content }}{%- endif %}{%- endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n<think>{% endif %}"
)
EMPTY_THOUGHT = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n"
    "{%- if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "edge": EDGE, "thinking": THINKING, "empty": EMPTY_THOUGHT, "marked": MARKED}
FORMAT = family_named("llama")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("templates")
    for name, template in TEMPLATES.items():
        folder = write_tokenizer(root / name, SPECIAL, "<|im_end|>")
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return root


@pytest.fixture(scope="module", params=TEMPLATES)
def pair(request, folders):
    """Our tokenizer and the library's, of one template."""
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(folders / request.param / "tokenizer.json"))
    theirs.chat_template = TEMPLATES[request.param]
    return load_tokenizer(folders / request.param), theirs


def ids_of(theirs, messages, answering):
    found = theirs.apply_chat_template(messages, add_generation_prompt=answering, tokenize=True)
    return found if isinstance(found, list) else found["input_ids"]


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\ue0f1<"), max_size=30)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=3), TEXT, st.none() | TEXT)
def test_a_prompt_is_that_of_apply_chat_template(pair, rounds, question, system):
    ours, theirs = pair
    messages = [] if system is None else [{"role": "system", "content": system}]
    for asked, answered in rounds:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    messages.append({"role": "user", "content": question})
    assert FORMAT.encode_prompt(ours, messages) == ids_of(theirs, messages, True)


@settings(deadline=None, max_examples=30)
@given(TEXT)
def test_no_text_becomes_a_control_token(pair, text):
    ours, _ = pair
    controls = set(ours.controls.values())
    plain = FORMAT.encode_prompt(ours, [{"role": "user", "content": text}])
    for name in SPECIAL:
        hostile = FORMAT.encode_prompt(ours, [{"role": "user", "content": f"{text}{name}{text}"}])
        assert sum(token in controls for token in hostile) == sum(token in controls for token in plain)
        assert name in ours.decode(hostile)


def learned(tokenizer, messages):
    ids, labels, cut = FORMAT.encode_example(tokenizer, messages, 400, 400)
    assert not cut and all(label in (-100, token) for token, label in zip(ids, labels, strict=True))
    spans, open_ = [], []
    for label in [*labels, -100]:
        if label != -100:
            open_.append(label)
        elif open_:
            spans.append(open_)
            open_ = []
    return spans


CHAT = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "hello world"},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "很高兴见到你"},
]


@pytest.mark.parametrize("name", ["chatml", "marked", "edge"])
def test_answers_and_what_ends_them_are_the_labels(folders, name):
    tokenizer = load_tokenizer(folders / name)
    spans = learned(tokenizer, CHAT)
    assert [tokenizer.decode(span).strip() for span in spans] == ["hello world", "很高兴见到你"]
    assert spans[-1][-1] == tokenizer.eos_token_id
    assert spans[-1][-1] in FORMAT.stop_ids(tokenizer)
    unlearned = [CHAT[0], CHAT[1] | {"learn": False}, *CHAT[2:]]
    assert [tokenizer.decode(span).strip() for span in learned(tokenizer, unlearned)] == ["很高兴见到你"]


def test_an_empty_thought_is_not_taught(folders):
    tokenizer = load_tokenizer(folders / "empty")
    assert "think" in tokenizer.decode(FORMAT.encode_example(tokenizer, CHAT, 400, 400)[0])
    assert all("think" not in tokenizer.decode(span) for span in learned(tokenizer, CHAT))


def test_a_conversation_that_is_too_long_loses_its_oldest_rounds(folders):
    tokenizer = load_tokenizer(folders / "chatml")
    system = {"role": "system", "content": "hello"}
    ids, labels, cut = FORMAT.encode_example(tokenizer, [system, *CHAT[:2], *CHAT[2:]], 20, 20)
    text = tokenizer.decode(ids)
    assert cut and len(ids) <= 40 and len(labels) == len(ids)
    assert "system" in text and "hello world" not in text


def test_a_model_without_a_template_gets_questions_and_answers(tmp_path):
    tokenizer = load_tokenizer(write_tokenizer(tmp_path / "plain", SPECIAL, "</s>"))
    prompt = tokenizer.decode(FORMAT.encode_prompt(tokenizer, CHAT[:3]))
    assert prompt == "Question: hello\nAnswer: hello world\nQuestion: 你好\nAnswer:"
    ids, labels, _ = FORMAT.encode_example(tokenizer, CHAT, 400, 400)
    assert tokenizer.decode([label for label in labels if label != -100]) == " 很高兴见到你"
    assert ids[-1] == labels[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% include '/etc/passwd' %}",
        "{{ 'x' * 1000000000 }}",
        "{% for a in range(999999999) %}x{% endfor %}",
        "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ raise_exception('no system') }}",
    ],
)
def test_a_strangers_template_can_read_nothing_and_ends_in_time(source):
    with pytest.raises(ModelError):
        ChatTemplate(source).render([{"role": "user", "content": "hello"}])


GROWING = "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"


@pytest.mark.parametrize(
    "source",
    [
        "{% set r = range(999) %}{% for a in r %}{% for b in r %}{% for c in r %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{% set n = 2000000000 %}{{ 'a'|center(n) }}",
        GROWING + "{{ ns.x|tojson }}",
        GROWING + "{{ ns.x == [[ns.x, 1], 2] }}{{ (ns.x ~ '')|length }}",
        "{{ lipsum(n=1000000) }}",
    ],
)
def test_a_template_that_takes_too_much_ends_alone_and_is_refused_from_then_on(source):
    process, given = TemplateProcess(seconds=0.3), [{"messages": [{"role": "user", "content": "hello"}]}]
    for _ in range(2):
        with pytest.raises(RenderingTooHeavy):
            process.ask(source, given)
    assert process.ask("{{ messages[0].content }}", given) == ["hello"]


def test_what_takes_too_much_is_a_sentence():
    with pytest.raises(ModelError) as caught:
        ChatTemplate("{{ 'a'|center(2000000000) }}").render([{"role": "user", "content": "hello"}])
    assert caught.value.key == "models.template_heavy"


@pytest.mark.parametrize("source", ["{% for %}", "{{ x", "x" * 300_000, "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"])
def test_a_broken_template_is_named(source):
    with pytest.raises(ModelError) as caught:
        ChatTemplate(source)
    assert caught.value.key == "models.template_broken"


def test_a_template_may_stand_in_the_tokenizers_settings(tmp_path):
    folder = write_tokenizer(tmp_path / "settings", SPECIAL, "<|im_end|>")
    file = folder / "tokenizer_config.json"
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHATML}]
    file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": named}))
    assert load_tokenizer(folder).chat_template.source == CHATML


WRITTEN = {
    "question": "Question: hello\nAnswer:",
    "chatml": "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n",
    "alpaca": "### Instruction:\nhello\n\n### Response:\n",
    "human": "Human: hello\n\nAssistant:\n",
}


@pytest.mark.parametrize("name", plain_formats.FORMATS)
def test_a_model_without_a_template_takes_a_known_format(tmp_path, name):
    tokenizer = load_tokenizer(write_tokenizer(tmp_path / "plain", ["<pad>", "</s>"], "</s>"))
    loaded = plain_formats.formatted(LoadedModel(None, tokenizer, FORMAT, tmp_path, "plain"), name)
    prompt = FORMAT.prompt(loaded.tokenizer, CHAT[:1])
    assert loaded.tokenizer.decode(prompt) == WRITTEN[name]
    ids, labels, _ = FORMAT.encode_example(loaded.tokenizer, CHAT[:2], 400, 400)
    assert ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {-100}
    learned = [label for label in labels if label != -100]
    assert loaded.tokenizer.decode(learned).strip().startswith("hello world") and ids[-1] == tokenizer.eos_token_id
    assert learned[-1] in FORMAT.stop_ids(loaded.tokenizer)


@pytest.mark.parametrize(
    ("name", "following"),
    [("question", "\nQuestion: again"), ("alpaca", "\n\n### Instruction:\nagain"), ("human", "\n\nHuman: again")],
)
def test_an_answer_ends_where_a_base_model_writes_the_next_question(tmp_path, name, following):
    """It has no token for the end and has not learned one; inside, exported and opened again alike."""
    base = write_decoder(tmp_path / "base", "llama")
    (base / "chat_template.jinja").unlink()
    plain = plain_formats.formatted(LoadedModel(None, load_tokenizer(base), FORMAT, base, "plain"), name).tokenizer
    model_files.complete(base, name)
    for tokenizer in (plain, load_tokenizer(base)):
        ids = tokenizer.encode(f" hello world{following}\nAnswer: world")
        assert FORMAT.answer_text(tokenizer, [], ids) == "hello world" and FORMAT.has_ended(tokenizer, ids)
        assert not FORMAT.has_ended(tokenizer, tokenizer.encode(" hello world. Question: none"))


def test_words_end_no_answer_of_a_model_that_has_a_token_for_it(folders):
    tokenizer = load_tokenizer(folders / "edge")
    ids = tokenizer.encode("hello\nQuestion: world\nHuman: hello")
    assert "Question: world" in FORMAT.answer_text(tokenizer, [], ids) and not FORMAT.has_ended(tokenizer, ids)


def test_a_template_of_its_own_is_not_replaced(folders):
    tokenizer = load_tokenizer(folders / "edge")
    loaded = LoadedModel(None, tokenizer, FORMAT, folders, "edge")
    assert plain_formats.formatted(loaded, "alpaca") is loaded


@pytest.mark.parametrize("name", plain_formats.FORMATS)
def test_a_chosen_format_goes_along_as_a_template(name, tmp_path):
    """Transformers and a reopened folder ask an exported base model as it was trained."""
    base = write_decoder(tmp_path / "base", "llama")
    (base / "chat_template.jinja").unlink()
    loaded = plain_formats.formatted(LoadedModel(None, load_tokenizer(base), FORMAT, base, "plain"), name)
    asked = [
        [{"role": "user", "content": "hello"}],
        [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "你好"},
            {"role": "assistant", "content": "hello world"},
            {"role": "user", "content": "hello"},
        ],
    ]
    before = [FORMAT.prompt(loaded.tokenizer, messages) for messages in asked]
    model_files.complete(base, name)
    again = load_tokenizer(base)
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
    theirs.chat_template = (base / "chat_template.jinja").read_text("utf-8")
    assert [FORMAT.prompt(again, messages) for messages in asked] == before
    assert [ids_of(theirs, messages, True) for messages in asked] == before
    answered = [*asked[1], {"role": "assistant", "content": "world"}]
    if name != "question":
        assert FORMAT.encode_example(again, answered, 400, 400) == FORMAT.encode_example(
            loaded.tokenizer, answered, 400, 400
        )
