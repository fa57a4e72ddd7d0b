"""Small random models with working tokenizers, for tests that need a model and not a good one."""

import json
import shutil
from functools import cache
from pathlib import Path

from tests.paths import scratch

TEXTS = (
    "你好，我是一个小小的助手。",
    "你是谁？我叫小砚，由 easyAIGC 项目组开发。",
    "今天天气怎么样？今天晴，适合出门走走。",
    "三加五等于多少？三加五等于八。",
    "法国的首都是哪里？法国的首都是巴黎。",
    "高的反义词是什么？高的反义词是低。",
    "类型#上衣*材质#牛仔布*颜色#白色*风格#简约*图案#刺绣",
    "这件上衣的材质是牛仔布，颜色是白色，风格是简约。",
    "推荐一部电影吧。可以看看《流浪地球》，讲的是带着地球去流浪。",
    "[Round 0]\n问：你好\n答：你好\n[Round 1]\n问：再见\n答：再见",
    "Human: \nhello\n\nAssistant: \nHello, how are you today?",
    "def add(a, b):\n    return a + b\n\tprint(add(1, 2))",
)
CONFIG = {
    "architectures": ["ChatGLMModel"],
    "model_type": "chatglm",
    "hidden_size": 64,
    "inner_hidden_size": 256,
    "num_attention_heads": 4,
    "num_layers": 3,
    "layernorm_epsilon": 1e-5,
    "max_sequence_length": 512,
    "position_encoding_2d": True,
    "use_cache": True,
    "torch_dtype": "float32",
}


def tiny_chatglm(folder: str | Path, seed: int = 0, **changes) -> Path:
    """Write a random ChatGLM-6B checkpoint of about 0.2 M parameters with a tokenizer of its own into `folder`.

    Its weights are large enough that answers depend on the whole prompt. `changes` go into config.json.
    """
    folder = Path(folder)
    shutil.copytree(_tokenizer(), folder, dirs_exist_ok=True)
    from safetensors.torch import save_file

    from glm_core.models import load_tokenizer
    from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
    from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration

    tokenizer = load_tokenizer(folder)
    controls = {
        name: getattr(tokenizer, name)
        for name in ("vocab_size", *(f"{kind}_token_id" for kind in ("bos", "eos", "mask", "gmask", "pad")))
    }
    config = {**CONFIG, **controls, **changes}
    model = ChatGLMForConditionalGeneration(ChatGLMConfig(**config))
    randomize(model, seed)
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    return folder


def randomize(model, seed: int) -> None:
    """Fill `model` with reproducible weights so large that context decides the output, not the residual alone."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                noise = 0.2 * torch.randn(parameter.shape, generator=generator)
                parameter.copy_(noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
            else:
                width = 3.0 / parameter.shape[1] ** 0.5
                parameter.copy_(width * torch.randn(parameter.shape, generator=generator))


@cache
def _tokenizer() -> Path:
    """The tokenizer's files, trained once a process."""
    from recipe.tokenizer import train_tokenizer

    folder = scratch("tiny")
    train_tokenizer(TEXTS, folder, 560, required_chars="".join(sorted({c for text in TEXTS for c in text if c > "一"})))
    return folder
