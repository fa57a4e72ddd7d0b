"""LoRA+ (Hayou et al., 2024): the second factor of every LoRA learns at a multiple of the rate of the first."""

import torch
from torch import nn

B = ".lora_B."


def speed_up_b(optimizer: torch.optim.Optimizer, model: nn.Module, ratio: float) -> None:
    """Give the B matrices in `optimizer`, which has made no step yet, `ratio` times the rate of their group."""
    chosen = {id(parameter) for name, parameter in model.named_parameters() if B in name}
    if ratio == 1.0 or not chosen:
        return
    for group in list(optimizer.param_groups):
        fast = [parameter for parameter in group["params"] if id(parameter) in chosen]
        if not fast:
            continue
        group["params"] = [parameter for parameter in group["params"] if id(parameter) not in chosen]
        rest = {name: value for name, value in group.items() if name not in ("params", "param_names")}
        optimizer.add_param_group(rest | {"params": fast, "lr": group["lr"] * ratio})
