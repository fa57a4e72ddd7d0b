"""LoRA+: only B learns faster, by just the ratio, and the schedule scales both alike."""

import torch

from glm_core import models
from glm_core.adapters import attach
from glm_core.adapters.lora_plus import speed_up_b
from glm_core.training.settings import TrainingSettings
from tests.tiny import tiny_chatglm


def test_b_learns_at_a_multiple_of_the_rate_of_a(tmp_path):
    loaded = models.load(tiny_chatglm(tmp_path / "tiny"))
    attach.attach(loaded, TrainingSettings(lora_rank=4))
    trained = {name: one for name, one in loaded.model.named_parameters() if one.requires_grad}
    optimizer = torch.optim.SGD(trained.values(), lr=0.1)
    speed_up_b(optimizer, loaded.model, 16.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)
    before = {name: one.detach().clone() for name, one in trained.items()}
    for one in trained.values():
        one.grad = torch.ones_like(one)
    optimizer.step()
    schedule.step()
    moved = {name: (before[name] - one.detach()).mean() for name, one in trained.items()}
    assert {round(step.item(), 4) for name, step in moved.items() if ".lora_A." in name} == {0.05}
    assert {round(step.item(), 4) for name, step in moved.items() if ".lora_B." in name} == {0.8}


def test_a_ratio_of_one_changes_nothing(tmp_path):
    loaded = models.load(tiny_chatglm(tmp_path / "tiny"))
    attach.attach(loaded, TrainingSettings(lora_rank=4))
    optimizer = torch.optim.SGD([one for one in loaded.model.parameters() if one.requires_grad], lr=0.1)
    speed_up_b(optimizer, loaded.model, 1.0)
    assert len(optimizer.param_groups) == 1
