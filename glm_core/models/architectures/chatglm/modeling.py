"""ChatGLM-6B (v1) for current transformers: configuration, attention, model; batch first, no remote code.

Covers the published layout (configuration keys, tensor names), caching, padding and prefixes. Not here: mask, positions
and attention of a prefix language model (attention.py), reading checkpoints (checkpoints.py), the tokenizer
(models/tokenizers/), prefix encoders (models/prefix_tuning.py). ChatGLM2 and later load into transformers' own Glm (models/registry.py).
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from glm_core.models.architectures.chatglm.attention import (
    PromptError,
    Rotary,
    attend,
    find_prompt,
    number_positions,
    split_rotated,
    visible_columns,
)
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig

# The published blocks scale the residual by sqrt(2 x 28) at any depth: their depth argument is never passed on.
RESIDUAL_SCALE = 56**0.5


class ChatGLMAttention(nn.Module):
    """Self-attention with query, key and value fused per head: rows of one head's q, k, v follow each other.

    The published per-layer scaling of the scores is undone before their softmax, so 1 / sqrt(D) is all that remains.
    """

    def __init__(self, config: ChatGLMConfig, layer_idx: int):
        super().__init__()
        self.layer_idx = layer_idx
        self.num_heads = config.num_attention_heads
        self.head_dim = config.head_dim
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden, rotary, visible, context, past_key_values=None, prefix=None, packing=None):
        """(B, S, H) -> (B, S, H); `prefix` is a `glm_core.models.prefix_tuning.Prefix`, `packing` a `packing.Packing`."""
        batch, length, width = hidden.shape
        fused = self.query_key_value(hidden).view(batch, length, self.num_heads, 3, self.head_dim)
        query, key, value = split_rotated(fused, *rotary)
        if packing is not None:
            query, key, value = (packing.spread(states) for states in (query, key, value))
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        if prefix is not None:
            key, value = prefix.join(self.layer_idx, key, value)
        mixed = attend(query, key, value, visible, context).transpose(1, 2)
        if packing is not None:
            mixed = packing.gather(mixed)
        return self.dense(mixed.reshape(batch, length, width))


class ChatGLMMLP(nn.Module):
    """Two linear layers around the tanh form of GELU."""

    def __init__(self, config: ChatGLMConfig):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.inner_hidden_size)
        self.dense_4h_to_h = nn.Linear(config.inner_hidden_size, config.hidden_size)

    def forward(self, hidden):
        return self.dense_4h_to_h(F.gelu(self.dense_h_to_4h(hidden), approximate="tanh"))


class ChatGLMBlock(GradientCheckpointingLayer):
    """One layer; its residual carries the *normalized* input, scaled by `RESIDUAL_SCALE`."""

    def __init__(self, config: ChatGLMConfig, layer_idx: int):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.attention = ChatGLMAttention(config, layer_idx)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.mlp = ChatGLMMLP(config)

    def forward(self, hidden, rotary, visible, context, past_key_values=None, prefix=None, packing=None):
        normed = self.input_layernorm(hidden)
        mixed = self.attention(normed, rotary, visible, context, past_key_values, prefix, packing)
        normed = self.post_attention_layernorm(torch.add(mixed, normed, alpha=RESIDUAL_SCALE))
        return torch.add(self.mlp(normed), normed, alpha=RESIDUAL_SCALE)


class ChatGLMPreTrainedModel(PreTrainedModel):
    """The facts about the architecture that transformers asks for."""

    config: ChatGLMConfig
    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["ChatGLMBlock"]
    _skip_keys_device_placement = ["past_key_values"]
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq"]
    _supports_sdpa = True

    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=std or module.in_features**-0.5)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=std or 0.01)  # small: the tied head would favour repeating the input
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


class ChatGLMModel(ChatGLMPreTrainedModel):
    """Embedding, blocks, final normalization."""

    def __init__(self, config: ChatGLMConfig):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([ChatGLMBlock(config, index) for index in range(config.num_layers)])
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.rotary = Rotary(config)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.word_embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        prefix=None,
        packing=None,
        **kwargs,
    ) -> BaseModelOutputWithPast:
        """Hidden states (B, S, H) of `input_ids` (B, S).

        Args:
            attention_mask: (B, past + S), 0 for padding. Padding at the left shifts no position; at the right it is
                a causal tail that nobody looks at. Or what `lay_out` returned.
            position_ids: (B, 2, S); None counts them from the tokens, for cached steps from the prompt the cache saw.
            past_key_values: the first call must hold each row's whole context.
            prefix: a `glm_core.models.prefix_tuning.Prefix`: keys and values ahead of every layer's own, without a position.
            packing: a `packing.Packing` where `input_ids` (1, T) are rows one behind the other, with `position_ids`
                (1, 2, T) and the mask of the padded rows.

        Raises:
            PromptError: a row lacks its control tokens, or a cached step comes without `position_ids` and its cache
                did not see the prompt.
        """
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        length = input_ids.shape[1]
        if attention_mask is not None and attention_mask.dim() == 4:
            prompt, visible, context = None, attention_mask, None
        elif past:
            prompt = getattr(past_key_values, "prompt", None)
            visible, context = self._mask_step(attention_mask, past, length), 0
        else:
            prompt = find_prompt(self.config, input_ids, attention_mask)
            context = prompt.shared
            visible = None if context is not None else visible_columns(prompt, attention_mask, length)
            if past_key_values is not None:
                past_key_values.prompt = prompt
        if position_ids is None:
            if prompt is None:
                raise PromptError("a cached step needs position_ids (B, 2, S) when its cache did not see the prompt")
            position_ids = number_positions(self.config, prompt, past, past + length)
        if prefix is not None:
            if visible is None and prefix.masks:
                visible = self._causal(past, length, input_ids) if past else visible_columns(prompt, None, length)
            visible = None if visible is None else prefix.widen(visible)
        hidden = self.word_embeddings(input_ids)
        rotary = tuple(table.contiguous() for table in self.rotary(position_ids, past + length, hidden))
        for layer in self.layers:
            hidden = layer(
                hidden, rotary, visible, context, past_key_values=past_key_values, prefix=prefix, packing=packing
            )
        return BaseModelOutputWithPast(self.final_layernorm(hidden), past_key_values)  # the cache's name has changed

    def lay_out(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """`position_ids` (B, 2, S) and an additive `attention_mask` (B, 1, S, S) of whole rows.

        With them a forward looks at no value of `input_ids` but to embed it, so that it need not wait for the device.
        """
        prompt = find_prompt(self.config, input_ids, attention_mask)
        visible = visible_columns(prompt, attention_mask, input_ids.shape[1])
        mask = torch.zeros(visible.shape, dtype=self.dtype, device=input_ids.device)
        mask.masked_fill_(~visible, torch.finfo(self.dtype).min)
        return {"position_ids": number_positions(self.config, prompt, 0, input_ids.shape[1]), "attention_mask": mask}

    @staticmethod
    def _mask_step(attention_mask: torch.Tensor | None, past: int, length: int) -> torch.Tensor | None:
        """(B, 1, S, past + S) where a cached step has padding behind it, else None."""
        if attention_mask is None or bool(attention_mask.all()):
            return None
        causal = ChatGLMModel._causal(past, length, attention_mask)
        return attention_mask[:, None, None, : past + length].bool() & causal

    @staticmethod
    def _causal(past: int, length: int, like: torch.Tensor) -> torch.Tensor:
        """(1, 1, S, past + S), True on and below the lower right diagonal."""
        return torch.ones(1, 1, length, past + length, dtype=torch.bool, device=like.device).tril(past)


class ChatGLMForConditionalGeneration(ChatGLMPreTrainedModel, GenerationMixin):
    """ChatGLM-6B with its language-model head."""

    _tied_weights_keys = {"lm_head.weight": "transformer.word_embeddings.weight"}

    def __init__(self, config: ChatGLMConfig):
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        """Logits (B, S, V), or of the last `logits_to_keep` columns; with `labels` (B, S) also the shifted loss.

        -100 in `labels` is ignored; the loss is taken in float32. For the rest see `ChatGLMModel.forward`.
        """
        outputs = self.transformer(input_ids, attention_mask, position_ids, past_key_values, use_cache=use_cache)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        cache = outputs.to_tuple()[1:]
        return CausalLMOutputWithPast(loss, logits, *cache)

    def positions(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Position ids (B, 2, S) of whole rows; the next token's are the last ones with the block position + 1."""
        prompt = find_prompt(self.config, input_ids, attention_mask)
        return number_positions(self.config, prompt, 0, input_ids.shape[1])

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, attention_mask=None, cache=None, **kwargs):
        """One step's inputs; positions are counted from the whole rows, so that rows may be reordered between steps.

        transformers from 5.24 on calls the cache `cache`.
        """
        past_key_values = past_key_values if cache is None else cache
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        return {
            "input_ids": input_ids[:, past:],
            "attention_mask": attention_mask,
            "position_ids": self.positions(input_ids, attention_mask)[:, :, past:],
            "past_key_values": past_key_values,
            "use_cache": kwargs.get("use_cache"),
            "logits_to_keep": kwargs.get("logits_to_keep", 0),
        }
