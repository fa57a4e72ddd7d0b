"""The kinds of dense decoder that `causal_lm.py` builds, as facts: one `Kind` for each `model_type`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

ALWAYS, NEVER = "always", ""


@dataclass(frozen=True)
class Kind:
    """Facts of one `model_type`.

    Attributes:
        bias: of query, key and value; of the attention's output; of the MLP: the setting that gives it, or ALWAYS or NEVER.
        biased: those of the settings whose default is true in the library.
        heads_normalized: "" or what each norm of query and key spans: "head", or "all" heads.
        heads_setting: the setting that adds those norms, where they are a choice; with a bias as the others.
        norms: normalizations of the residual stream in a layer.
        norm_width: numbers of a norm for each one that it normalizes: 0 without weights, 2 with a bias.
        rms: they are RMSNorm.
        tied: the library's default for `tie_word_embeddings`.
        head_dim: the library's default where it is not hidden size / heads.
        fused: query, key and value are one module, gate and up another.
        mlp: names of the linear modules of the MLP; two where it has no gate.
        output: name of the attention's last linear module.
        extra: further numbers in a layer.
        head_bias: the head has one.
        post_norms: the setting that adds a norm behind attention and MLP, true by default.
        spellings: (setting as published, as the library calls it).
        logits: the setting that logits are multiplied with, or divided by after "/".
        drops_arguments: a layer does not hand what it does not know to its attention.
        plain: the layers are those of Llama or Qwen, which the kernels of `decoder_step` compute.
    """

    bias: tuple[str, str, str] = ("attention_bias", "attention_bias", "mlp_bias")
    biased: tuple[str, ...] = ()
    heads_normalized: str = ""
    heads_setting: str = ""
    norms: int = 2
    norm_width: int = 1
    rms: bool = True
    tied: bool = False
    head_dim: int | None = None
    fused: bool = False
    mlp: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    output: str = "o_proj"
    extra: int = 0
    head_bias: bool = False
    post_norms: str = ""
    spellings: tuple[tuple[str, str], ...] = ()
    logits: str = ""
    drops_arguments: bool = False
    plain: bool = False


_TWO = ("up_proj", "down_proj")
_NONE = (NEVER, NEVER, NEVER)
_EVERY = ("use_bias", "use_bias", "use_bias")
_ATTENTION = ("attention_bias", "attention_bias", NEVER)
_COHERE = Kind(
    _ATTENTION, heads_normalized="all", heads_setting="use_qk_norm", norms=1, rms=False, tied=True, logits="logit_scale"
)
KINDS: Mapping[str, Kind] = {
    "llama": Kind(plain=True),
    "mistral": Kind(_NONE, plain=True),
    "qwen2": Kind((ALWAYS, NEVER, NEVER), plain=True),
    "qwen3": Kind(_ATTENTION, heads_normalized="head", head_dim=128, plain=True),
    "gemma3_text": Kind(_ATTENTION, heads_normalized="head", norms=4, tied=True, head_dim=256),
    "phi3": Kind(_NONE, fused=True),
    "hunyuan_v1_dense": Kind(_ATTENTION, heads_normalized="head"),
    "ernie4_5": Kind(_EVERY, tied=True, head_dim=128, plain=True),
    "smollm3": Kind(tied=True),
    "olmo2": Kind(_ATTENTION, heads_normalized="all"),
    "granite": Kind(logits="/logits_scaling"),
    "apertus": Kind(_ATTENTION, heads_normalized="head", mlp=_TWO, extra=2),
    "arcee": Kind(mlp=_TWO),
    "cohere": _COHERE,
    "cohere2": replace(_COHERE, heads_normalized="", heads_setting=""),
    "cwm": Kind((NEVER, NEVER, "mlp_bias"), head_dim=128),
    "exaone4": Kind(_NONE, heads_normalized="head"),
    "gemma": Kind(_ATTENTION, tied=True, head_dim=256),
    "gemma2": Kind(_ATTENTION, norms=4, tied=True, head_dim=256),
    "helium": Kind(("attention_bias", NEVER, "mlp_bias"), head_dim=128),
    "hyperclovax": Kind(logits="logits_scaling", post_norms="use_post_norm"),
    "internlm3": Kind(head_dim=128, spellings=(("qkv_bias", "attention_bias"), ("bias", "mlp_bias")), plain=True),
    "iquestcoder": Kind(head_dim=128, plain=True),
    "jais2": Kind(biased=("attention_bias", "mlp_bias"), norm_width=2, rms=False, mlp=_TWO),
    "ministral": Kind(_NONE),
    "ministral3": Kind(_NONE, head_dim=128),
    "nanochat": Kind(_ATTENTION, norm_width=0, mlp=("fc1", "fc2")),
    "olmo": Kind(_ATTENTION, norm_width=0, rms=False),
    "olmo3": Kind(_ATTENTION, heads_normalized="all"),
    "phi": Kind(
        (ALWAYS, ALWAYS, ALWAYS),
        heads_normalized="head",
        heads_setting="qk_layernorm",
        norms=1,
        norm_width=2,
        rms=False,
        mlp=("fc1", "fc2"),
        output="dense",
        head_bias=True,
    ),
    "seed_oss": Kind(
        ("attention_bias", "attention_out_bias", "mlp_bias"), biased=("attention_bias",), head_dim=128, plain=True
    ),
    "stablelm": Kind(
        ("use_qkv_bias", NEVER, NEVER),
        heads_normalized="all",
        heads_setting="qk_layernorm",
        norm_width=2,
        rms=False,
        drops_arguments=True,
    ),
    "starcoder2": Kind(_EVERY, biased=("use_bias",), norm_width=2, rms=False, tied=True, mlp=("c_fc", "c_proj")),
    "vaultgemma": Kind(_ATTENTION, tied=True, head_dim=256),
}
