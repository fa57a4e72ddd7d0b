"""Quantized base weights: the hub's packed int4 and int8, and int8 (the hub's layout) or nf4 (bitsandbytes) made while
loading.

All of them stay quantized in memory and let gradients through to adapters, and none keeps a dense copy for the backward
(torchao's int8 does, 11 GB of them for ChatGLM-6B). Not here: adapters and merging, which is done into the unquantized
base (`glm_core.training`).
"""

import importlib
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

from glm_core.models.errors import ModelError
from glm_core.models.kernels.dispatch import kernels_for
from glm_core.models.kernels.processor import StepLinear, below_each_other, step_product

METHODS = {"int8": None, "nf4": "bitsandbytes"}
"Each with the library that it needs."


def unpack(weight: torch.Tensor, scale: torch.Tensor, bits: int, dtype: torch.dtype) -> torch.Tensor:
    """Dense (out, in) weight from the hub's layout: one scale a row; of 4 bits the even column is the high nibble."""
    if bits == 4:
        weight = torch.stack([weight >> 4, (weight << 4) >> 4], -1).flatten(-2)
    return weight.to(dtype).mul_(scale.to(dtype)[:, None])


def pack8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Int8 (out, in) and its scale a row (out), float16, such that `unpack` returns `weight` up to half a step."""
    scale = (weight.abs().amax(1).float() / 127).clamp_(min=2**-20).half()
    return (weight / scale.to(weight.dtype)[:, None]).round_().clamp_(-127, 127).to(torch.int8), scale


class Scratch:
    """Room for one unpacked weight at a time, shared by the layers of a model, whose products follow one another."""

    def __init__(self):
        self._held: dict[tuple, torch.Tensor] = {}

    def take(self, count: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """(count,), whatever it holds; the next one that takes it writes over it."""
        held = self._held.get((dtype, device))
        if held is None or held.numel() < count:
            with torch.inference_mode(False):  # the first use may be an answer's, and the next a training step's
                held = torch.empty(count, dtype=dtype, device=device)
            if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                return held  # a recording's own memory
            self._held[dtype, device] = held
        return held[:count]


class _UnpackedProduct(torch.autograd.Function):
    """x W^T with W unpacked twice, in forward and again in backward, so that no dense copy of it is kept."""

    @staticmethod
    def forward(ctx, states, layer):
        ctx.layer, ctx.dtype = layer, states.dtype
        weight, scale = layer.unpacked(states.dtype)
        product = F.linear(states, weight)
        return product if scale is None else product.mul_(scale)

    @staticmethod
    def backward(ctx, gradient):
        weight, scale = ctx.layer.unpacked(gradient.dtype)
        scaled = gradient if scale is None else gradient * scale
        return (scaled @ weight).to(ctx.dtype), None


class PackedLinear(StepLinear):
    """A linear layer in the hub's int4 or int8 layout: `weight` int8 (out, in x bits / 8), `weight_scale` (out).

    A `nn.Linear` by type, so that PEFT wraps it; its own weight is never trained.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, bits: int, scratch: Scratch | None = None):
        nn.Module.__init__(self)
        self.in_features, self.out_features, self.bits = in_features, out_features, bits
        packed = torch.empty(out_features, in_features * bits // 8, dtype=torch.int8)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.weight_scale = nn.Parameter(torch.empty(out_features, dtype=torch.float16), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        self._scratch = scratch or Scratch()
        self.laid_out = {}

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        rows = states.flatten(0, -2)
        if kernels := kernels_for(rows):
            return kernels.linear(rows.contiguous(), self.weight, self.weight_scale, self.bias).view(
                *states.shape[:-1], -1
            )
        stepped = step_product(rows, (self,)) if self.reads_few_bytes(rows) else None
        if stepped is not None:
            return stepped.view(*states.shape[:-1], -1)
        product = _UnpackedProduct.apply(states, self)
        return product if self.bias is None else product + self.bias

    def reads_few_bytes(self, states: torch.Tensor) -> bool:
        return self.bits == 8 and super().reads_few_bytes(states)

    def lay_out(self, layers: Sequence[StepLinear]):
        weight = torch.cat([layer.weight for layer in layers])
        scale = torch.cat([layer.weight_scale for layer in layers if isinstance(layer, PackedLinear)])
        zeros = torch.zeros(len(scale), dtype=torch.long)
        whole = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
        bias = below_each_other([layer.bias for layer in layers])
        return torch.ops.quantized.linear_prepack(whole, None if bias is None else bias.float())

    def multiply(self, states: torch.Tensor, weights) -> torch.Tensor:
        """`states` (N, in) times whole numbers, (N, out).

        A row's inputs are rounded to 7 bits for that, a hundredth of their spread; each row by itself, so that a row's
        results do not depend on the others.
        """
        product = torch.ops.quantized.linear_dynamic
        # 7 bits, as the pairs of products that older processors add in 16 bits would overflow
        found = [product(row, weights, reduce_range=True) for row in states.contiguous().split(1)]
        return found[0] if len(found) == 1 else torch.cat(found)

    def unpacked(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The whole numbers (out, in) and the scale of each row, which the products take instead of the weights.

        It saves a pass over these; not in float16, where the products would overflow: there the first is scaled.
        """
        shape = (self.out_features, self.in_features)
        dense = self._scratch.take(shape[0] * shape[1], dtype, self.weight.device).view(shape)
        if self.bits == 4:
            dense[:, 0::2].copy_(self.weight >> 4)
            dense[:, 1::2].copy_((self.weight << 4) >> 4)
        else:
            dense.copy_(self.weight)
        scale = self.weight_scale.to(dtype)
        return (dense.mul_(scale[:, None]), None) if dtype == torch.float16 else (dense, scale)

    def dense(self, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The weight as one dense (out, in) tensor."""
        return unpack(self.weight, self.weight_scale, self.bits, dtype)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bits={self.bits}"


@cache
def _nf4_linear() -> type[nn.Linear]:
    """bitsandbytes' 4-bit layer that unpacks its weight where the packed layers do, which takes no memory anew."""
    import bitsandbytes
    from bitsandbytes.functional import dequantize_4bit, dequantize_blockwise

    class Nf4Linear(bitsandbytes.nn.Linear4bit):
        scratch: Scratch

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            if not torch.is_grad_enabled() and states.numel() == self.in_features:
                return super().forward(states)  # one row, which it reads the packed weight for
            product = _UnpackedProduct.apply(states, self)
            return product if self.bias is None else product + self.bias

        def unpacked(self, dtype: torch.dtype) -> tuple[torch.Tensor, None]:
            """The weight (out, in)."""
            packed, state = self.weight.data, self.weight.quant_state
            largest = self.scratch.take(state.absmax.numel(), torch.float32, packed.device)
            dequantize_blockwise(state.absmax, state.state2, out=largest)
            dense = self.scratch.take(state.shape.numel(), state.dtype, packed.device).view(state.shape)
            dequantize_4bit(
                packed, absmax=largest.add_(state.offset), out=dense, blocksize=state.blocksize, quant_type="nf4"
            )
            return dense.to(dtype), None

    return Nf4Linear


def dense_weight(layer: nn.Linear) -> torch.Tensor:
    """The weight (out, in) of `layer`, however it is stored, in float32; not to be written to, and soon overwritten."""
    if layer.weight.is_floating_point():
        return layer.weight.detach().float()
    if isinstance(layer, PackedLinear):
        return layer.dense()
    return layer.unpacked(torch.float32)[0]


def block_linears(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers of the blocks by name: what is quantized; embeddings and head are not."""
    head = model.get_output_embeddings()
    return {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head
    }


def pack_layers(model: nn.Module, bits: int) -> None:
    """Replace the linear layers of the blocks by empty packed ones, to be filled from a quantized checkpoint.

    Raises:
        ModelError: the checkpoint names a number of bits that the hub never used.
    """
    if bits not in (4, 8):
        raise ModelError("models.config_value", field="quantization_bit", value=bits)
    scratch = Scratch()
    for name, linear in block_linears(model).items():
        replacement = PackedLinear(linear.in_features, linear.out_features, linear.bias is not None, bits, scratch)
        replace_module(model, name, replacement)


def replace_module(model: nn.Module, name: str, replacement: nn.Module) -> None:
    """Put `replacement` where the module called `name` is."""
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, replacement)


def require(method: str | None, device: torch.device) -> None:
    """Check that `method` (None, "int8", "nf4") can be used here.

    Raises:
        ModelError: no such method, its library is missing, or it needs a GPU.
    """
    if method is None:
        return
    if method not in METHODS:
        raise ModelError("models.quantization_unknown", method=method)
    library = METHODS[method]
    try:
        if library:
            importlib.import_module(library)
    except ImportError:
        raise ModelError("models.library_missing", library=library, what=f'quantization="{method}"') from None
    if method == "nf4" and device.type != "cuda":
        raise ModelError("models.nf4_needs_gpu")


def quantize(model: nn.Module, name: str, method: str) -> None:
    """Quantize the linear layer called `name`, whose dense weight is in place, and free the dense one."""
    linear, scratch = model.get_submodule(name), vars(model).setdefault("quantization_scratch", Scratch())
    if method == "int8":
        with torch.device("meta"):
            packed = PackedLinear(linear.in_features, linear.out_features, False, 8, scratch)
        weight, scale = pack8(linear.weight.data)
        packed.weight, packed.weight_scale = (nn.Parameter(part, requires_grad=False) for part in (weight, scale))
        packed.bias = linear.bias
        replace_module(model, name, packed)
        return
    import bitsandbytes

    small = _nf4_linear()(
        linear.in_features,
        linear.out_features,
        bias=False,
        compute_dtype=linear.weight.dtype,
        compress_statistics=True,
        quant_type="nf4",
        device="meta",
    )
    device = linear.weight.device
    small.weight = bitsandbytes.nn.Params4bit(
        linear.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4"
    ).to(device)
    small.bias, small.scratch = linear.bias, scratch
    replace_module(model, name, small)
