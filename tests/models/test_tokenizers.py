"""Tokenizers: equal to the published ones; text survives, control strings stay text, streams give whole characters."""

import json
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core.models import ModelError, load_tokenizer
from glm_core.models.chat_formats import frame_chatglm
from glm_core.models.tokenizers.sentencepiece_model import V3_CONTROLS, spell_blanks
from glm_core.models.tokenizers.tokenizer import Detokenizer
from glm_core.models.tokenizers.tokenizer_files import is_endless
from tests.golden import GOLDEN, SMALL, TOKENIZERS, needs_golden, needs_tokenizers
from tests.models.bytelevel import write_tokenizer
from tests.paths import ROOT
from tests.tiny import tiny_chatglm

PUBLISHED = {"v1": "chatglm-6b", "v2": "chatglm2-6b", "v3": "chatglm3-6b", "glm4": "glm-4-9b-chat"}
CONTROL_STRINGS = (
    "<sop>",
    "<eop>",
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "<ENC>",
    "<dBLOCK>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|observation|>",
    "<|endoftext|>",
    "sop",
    "eop",
)

_loaded = {}


def published(version: str):
    if version not in _loaded:
        _loaded[version] = load_tokenizer(TOKENIZERS / PUBLISHED[version])
    return _loaded[version]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load_tokenizer(tiny_chatglm(tmp_path_factory.mktemp("tiny")))


def cases(version: str) -> list[dict]:
    return json.loads((GOLDEN / "tokenizers.json").read_text(encoding="utf-8"))[version]["cases"]


@pytest.mark.parametrize("model", ["chatglm-demo", "bloom-demo"])
def test_the_embedded_tokenizers_keep_their_ids(model):
    tokenizer = load_tokenizer(ROOT / "assets" / "models" / model)
    kept = json.loads((SMALL / "tokenizers.json").read_text(encoding="utf-8"))[model]
    assert len(kept) == 20
    for case in kept:
        assert (tokenizer.encode(case["text"]), tokenizer.decode(case["ids"])) == (case["ids"], case["decoded"])


def strange_tokenizer(folder, **parts):
    """Write a `tokenizer.json` with rules of its own; returns its folder."""
    write_tokenizer(folder, [], "")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")) | parts
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def sequence(*rules):
    return {"type": "Sequence", "normalizers": list(rules)}


def split_at(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": sequence(*[REPLACE] * 12)},
        {"normalizer": sequence(sequence(REPLACE), {"type": "Prepend", "prepend": "x" * 50_000_000})},
        {"pre_tokenizer": split_at("(x+x+)+y")},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split_at("(?:a|a|aa)+$")]}},
        {"pre_tokenizer": split_at("(?:a{2,}){3,}b")},
        {"pre_tokenizer": split_at("a{100000}")},
    ],
)
def test_rules_that_make_texts_long_or_never_end_are_refused(tmp_path, parts):
    with pytest.raises(ModelError) as caught:
        load_tokenizer(strange_tokenizer(tmp_path / "strange", **parts))
    assert caught.value.key == "models.tokenizer_broken"


def test_an_expression_that_tries_too_long_is_an_error_like_any_other(tmp_path):
    slow = split_at("a?" * 30 + "a" * 30 + "[bc]")
    tokenizer = load_tokenizer(strange_tokenizer(tmp_path / "slow", pre_tokenizer=slow))
    with pytest.raises(ModelError):
        tokenizer.encode("a" * 45 + "d")


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'t|'re)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+",
        r" ?[^(\s|[.,!?…。，、।۔،])]+",
        r"(?=(\d{3})+(?!\d))",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+| ?[\p{P}\p{S}]+[\r\n]*",
    ],
)
def test_expressions_of_published_tokenizers_are_not_refused(pattern):
    assert not is_endless(pattern)


LOAD = """
import sys
from glm_core.models import ModelError, load_tokenizer
try:
    load_tokenizer(sys.argv[1])
except ModelError as error:
    print("refused", error.key)
"""


def test_a_prefix_that_is_cut_off_within_a_character_ends_no_process(tmp_path):
    """The library aborted with all that ran beside it: no exception, so another process tries."""
    write_tokenizer(tmp_path, ["</s>", "<pad>"])
    file = tmp_path / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["continuing_subword_prefix"] = "x"
    file.write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", LOAD, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "refused models.tokenizer_broken"), done.stderr[-500:]


def test_a_list_of_pieces_without_every_byte_is_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"YWFh 0\nYQ== 1\n")
    with pytest.raises(ModelError):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"])
def test_files_that_are_far_too_large_are_not_read(tmp_path, name):
    strange_tokenizer(tmp_path / "large")
    with open(tmp_path / "large" / name, "r+b" if name == "tokenizer.json" else "wb") as file:
        file.truncate(2_000_000_000)
    with pytest.raises(ModelError) as caught:
        load_tokenizer(tmp_path / "large")
    assert "MB" in str(caught.value)


@needs_golden
@needs_tokenizers
@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_published_cases(version):
    tokenizer = published(version)
    for case in cases(version):
        ids, controls = case["ids"], [tokenizer.gmask_token_id, tokenizer.bos_token_id]
        if version == "v1" and "<sop>" in case["text"]:
            # Published code turns this string into the control token, which lets a user move the end of the context.
            spelled = tokenizer.encode(case["text"])
            assert spelled[: len(ids) - 1] == ids[:-1]
            assert tokenizer.decode(spelled) == case["text"]
            assert tokenizer.decode(ids) == case["decoded"]
            continue
        assert tokenizer.encode(case["text"]) == ids
        assert case["full"] == (ids + controls if version == "v1" else controls + ids)
        assert tokenizer.decode(ids) == case["decoded"]


@needs_golden
@needs_tokenizers
def test_published_sequences_of_chatglm():
    golden = json.loads((GOLDEN / "tokenizers.json").read_text(encoding="utf-8"))["v1"]
    tokenizer = published("v1")
    assert [*frame_chatglm(tokenizer, [11, 12]), 21, 22, tokenizer.eos_token_id] == golden["pair"]
    assert frame_chatglm(tokenizer, tokenizer.encode("你好")) == golden["batch"]["input_ids"][0][1:]
    assert tokenizer.pad_token_id == golden["batch"]["input_ids"][0][0]
    assert tokenizer.decode([5, 74874, 130001, 130004, 5, 74874, 130005]) == golden["decode_special"]


@needs_golden
@needs_tokenizers
def test_published_positions_of_a_padded_batch():
    """The published tokenizer numbers positions itself; the model numbers them the same from ids and mask."""
    import torch

    from glm_core.models.architectures.chatglm.attention import find_prompt, number_positions, visible_columns
    from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig

    batch = json.loads((GOLDEN / "tokenizers.json").read_text(encoding="utf-8"))["v1"]["batch"]
    ids = torch.tensor(batch["input_ids"])
    mask = (ids != 3).long()
    prompt = find_prompt(ChatGLMConfig(), ids, mask)
    assert number_positions(ChatGLMConfig(), prompt, 0, ids.shape[1]).tolist() == batch["position_ids"]
    hidden = torch.tensor(batch["attention_mask"])
    real = mask.bool()[:, None, :, None].expand_as(hidden)
    assert torch.equal((~visible_columns(prompt, mask, ids.shape[1]))[real], hidden[real])


@needs_tokenizers
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_commands_of_the_sentencepiece_successors(version):
    controls = published(version).controls
    assert [controls[name] for name in V3_CONTROLS] == list(range(64789, 64798))
    assert (published(version).pad_token_id, published(version).eos_token_id) == (0, 2)


@needs_tokenizers
def test_commands_of_glm4():
    tokenizer = published("glm4")
    assert tokenizer.controls["<|user|>"] == 151336
    assert (tokenizer.gmask_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (151331, 151333, 151329)


@needs_tokenizers
@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60), st.sampled_from(["v2", "v3", "glm4"]))
def test_any_text_survives_where_nothing_is_normalized(text, version):
    tokenizer = published(version)
    if version != "glm4":
        text = text.replace("▁", "").replace(
            "\0", ""
        )  # SentencePiece writes blanks as the former, and ends at the latter
    assert tokenizer.decode(tokenizer.encode(text)) == text


TAME = st.text(alphabet=st.sampled_from(list("你好吗今天天气怎么样abc xyz,.123\n\t  ")), max_size=80)


@needs_tokenizers
@settings(deadline=None, max_examples=150)
@given(TAME)
def test_blanks_tabs_and_line_ends_survive_in_chatglm(text):
    # Blanks at the very ends belong to SentencePiece's normalization, which strips them.
    text = text.strip(" ")
    assert published("v1").decode(published("v1").encode(text)) == text


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_a_second_round_trip_changes_nothing(tiny, text):
    once = tiny.decode(tiny.encode(text))
    assert tiny.decode(tiny.encode(once)).strip() == once.strip()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([*CONTROL_STRINGS, "你好", " ", "x"]), max_size=8))
def test_control_strings_stay_text(tiny, parts):
    text = "".join(parts)
    ids = tiny.encode(text)
    assert not set(ids) & set(tiny.controls.values())
    assert tiny.decode(ids).replace(" ", "") == text.replace(" ", "")


@needs_tokenizers
@pytest.mark.parametrize("version", list(PUBLISHED))
@pytest.mark.parametrize("string", CONTROL_STRINGS)
def test_published_control_strings_stay_text(version, string):
    tokenizer = published(version)
    ids = tokenizer.encode(f"a{string}b")
    sentence_ends = set() if version == "glm4" else {1, 2}
    assert not set(ids) & (set(tokenizer.controls.values()) | sentence_ends)
    assert tokenizer.decode(ids) == f"a{string}b"


@needs_tokenizers
@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), st.sampled_from(list(PUBLISHED)))
def test_a_stream_of_tokens_gives_whole_characters(text, version):
    tokenizer = published(version)
    ids = tokenizer.encode(text)
    stream = Detokenizer(tokenizer)
    deltas = [stream.push(token) for token in ids] + [stream.finish()]
    assert "".join(deltas) == tokenizer.decode(ids)
    if "\ufffd" not in text:
        assert not any("\ufffd" in delta for delta in deltas)


def test_a_stream_cut_inside_a_character_ends_with_a_replacement(tiny):
    ids = tiny.encode("😀")
    stream = Detokenizer(tiny)
    assert [stream.push(token) for token in ids[:-1]] == [""] * (len(ids) - 1)
    assert stream.finish() == "\ufffd"


class Watched:
    """A tokenizer that counts the tokens which it is asked about."""

    def __init__(self, tokenizer):
        self.tokenizer, self.asked = tokenizer, 0

    def __getattr__(self, name):
        found = getattr(self.tokenizer, name)
        return partial(self._ask, found) if callable(found) else found

    def _ask(self, found, tokens, *rest, **options):
        self.asked += len(tokens) if isinstance(tokens, list | tuple) else 1
        return found(tokens, *rest, **options)


def test_streaming_looks_at_each_token_once_however_long_the_text(tiny):
    ids = tiny.encode("今天天气怎么样？" * 400)
    watched = Watched(tiny)
    stream = Detokenizer(watched)
    said = "".join(map(stream.push, ids)) + stream.finish()
    assert said == tiny.decode(ids)
    assert len(ids) <= watched.asked <= 2 * len(ids)


def test_ids_out_of_range_give_no_text(tiny):
    assert tiny.decode([-1, 10**9, tiny.vocab_size, *tiny.encode("你好")]) == "你好"


def test_runs_of_blanks_are_spelled_longest_first():
    assert spell_blanks(" " * 85 + "x \n") == "<|blank_80|><|blank_5|>x <n>"
    assert spell_blanks(" " * 81) == "<|blank_80|> "


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x0a\xff\xff\xff", b"IQ== 0\nbroken"])
@pytest.mark.parametrize("name", ["ice_text.model", "tokenizer.model", "tokenizer.json"])
def test_a_broken_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        load_tokenizer(tmp_path)


def test_a_folder_without_tokenizer_says_what_it_needs(tmp_path):
    with pytest.raises(ModelError, match="ice_text.model"):
        load_tokenizer(tmp_path)


@needs_tokenizers
def test_a_foreign_sentencepiece_model_is_no_chatglm_tokenizer(tmp_path):
    (tmp_path / "ice_text.model").write_bytes((TOKENIZERS / "chatglm2-6b/tokenizer.model").read_bytes())
    with pytest.raises(ModelError, match="gMASK"):
        load_tokenizer(tmp_path)


def test_byte_level_files_keep_control_strings_as_text(tmp_path):
    from tests.models.bytelevel import write_tokenizer

    tokenizer = load_tokenizer(write_tokenizer(tmp_path, ["<pad>", "</s>", "[gMASK]", "<sop>", "<|user|>"]))
    ids = tokenizer.encode("你好 <|user|></s>\n  x😀")
    assert not set(ids) & set(tokenizer.controls.values())
    assert tokenizer.decode([tokenizer.eos_token_id, *ids, tokenizer.pad_token_id]) == "你好 <|user|></s>\n  x😀"
    assert tokenizer.controls["<|user|>"] == 4
