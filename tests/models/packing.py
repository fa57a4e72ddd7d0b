"""The hub's quantization, forwards: dense weights to packed checkpoints, for tests only."""

import torch


def pack(weight: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`weight` (out, in) as int8 (out, in x bits / 8) and a float16 scale a row; of 4 bits the even column is high."""
    scale = (weight.abs().max(-1).values / (2 ** (bits - 1) - 1)).half()
    whole = torch.round(weight / scale.float()[:, None]).to(torch.int8)
    if bits == 4:
        whole = (whole[:, 0::2] << 4) | (whole[:, 1::2] & 15)
    return whole, scale


def pack_state(state: dict[str, torch.Tensor], bits: int, names=("layers",)) -> dict[str, torch.Tensor]:
    """A published state dict with the matrices of its blocks packed."""
    packed = {}
    for name, tensor in state.items():
        if tensor.dim() == 2 and any(part in name for part in names):
            packed[name], packed[f"{name}_scale"] = pack(tensor, bits)
        else:
            packed[name] = tensor
    return packed
