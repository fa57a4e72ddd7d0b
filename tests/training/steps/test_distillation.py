"""Distilled rows: the base's probabilities everywhere but at a row's first token and its end, beside the loss of the other rows."""

import pytest
import torch
import torch.nn.functional as F

from glm_core import models
from glm_core.adapters import attach
from glm_core.data.tokenize import IGNORED, Encoded, collate
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.distillation import DistilledRow, DistilledRows
from glm_core.training.steps.loss import AnswerLoss, count_items
from glm_core.training.token_dataset import Rows
from tests.training.small import prompts, small, stir

END = 61  # a token that none of the rows has elsewhere
WEIGHT = 16.0


def rehearsed(loaded):
    """A row that ends, and one that is cut off."""
    one, other = prompts(loaded).tolist()
    return [Encoded([*one, END], [IGNORED] * len(one) + [END], False), Encoded(other, [IGNORED] * len(other), False)]


def own(loaded):
    ids = prompts(loaded, length=11)[0].tolist()
    return Encoded(ids, [IGNORED] * 8 + ids[8:], False)


def tuned(kind, folder, targets=""):
    """A model whose adapter changes every output, with its rehearsed rows."""
    loaded = models.load(small(kind, folder), device="cpu")
    attach.attach(loaded, TrainingSettings(lora_dropout=0.0, lora_targets=targets))
    stir(loaded)
    return loaded, DistilledRows(loaded, Rows(rehearsed(loaded)), 2)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["chatglm", "glm"])
def test_loss_is_that_of_own_labels_and_ends_beside_the_mean_divergence(kind, packed, tmp_path):
    loaded, rows = tuned(kind, tmp_path / "base")
    batch = [own(loaded), *rows]
    tensors = collate([one.encoded if isinstance(one, DistilledRow) else one for one in batch], 0)
    rows.add_states(batch, tensors)
    loaded.model.train()
    compute = AnswerLoss(loaded.model, loaded.family.architecture, packed=packed, distillation=WEIGHT)
    found = compute(**tensors)["loss"]

    def scores(row):
        hidden = compute.hidden_states(
            torch.tensor([row.input_ids]), torch.ones(1, len(row.input_ids), dtype=torch.long)
        )
        return F.log_softmax(loaded.model.get_output_embeddings()(hidden[0]), -1)

    mine = scores(batch[0])
    labels = [-mine[place, batch[0].input_ids[place + 1]] for place in range(7, 10)]
    divergences, ends = [], []
    for row in rehearsed(loaded):
        attach.activate(loaded, None)
        with torch.no_grad():
            base = scores(row)
        attach.activate(loaded, attach.NAME, trainable=True)
        new, last = scores(row), len(row.input_ids)
        for place in range(1, last):
            if place + 1 < last and row.input_ids[place + 1] == END:
                ends.append(-new[place, END])
            else:
                divergences.append(F.kl_div(new[place], base[place], reduction="sum", log_target=True))
    assert (len(ends), len(divergences)) == (1, 8 + 8)
    expected = (sum(labels) + sum(ends)) / 3 + WEIGHT * sum(divergences) / 16
    assert found.item() == pytest.approx(expected.item(), rel=1e-4) and sum(divergences) > 0.1
    weights = [weight for weight in loaded.model.parameters() if weight.requires_grad]
    wanted = torch.autograd.grad(expected, weights)
    for one, other in zip(torch.autograd.grad(found, weights), wanted, strict=True):
        assert (one - other).abs().max() <= 1e-3 * other.abs().max() + 1e-6
    assert max(gradient.abs().max() for gradient in wanted) > 1e-3


def test_parts_of_a_batch_add_up_to_the_whole(tmp_path):
    loaded, rows = tuned("chatglm", tmp_path / "base")
    compute = AnswerLoss(loaded.model, loaded.family.architecture, distillation=WEIGHT).eval()

    def tensors(batch):
        found = collate([one.encoded if isinstance(one, DistilledRow) else one for one in batch], 0)
        rows.add_states(batch, found)
        return found

    batch = [own(loaded), *rows]
    whole = tensors(batch)
    items = count_items(whole["labels"], whole["distilled"])
    assert items.tolist() == [3, 16]
    parts = [compute(**tensors([one]), num_items_in_batch=items)["loss"].item() for one in batch]
    assert sum(parts) == pytest.approx(compute(**whole)["loss"].item(), rel=1e-5) and min(parts) > 0


def test_states_are_the_bases_whatever_the_adapter_and_the_batch(tmp_path):
    loaded, rows = tuned("glm", tmp_path / "base", "all-linear")
    alone = DistilledRows(loaded, Rows(rehearsed(loaded)), 1)
    plain = models.load(tmp_path / "base", device="cpu")
    with torch.no_grad():
        for row, other in zip(rows, alone, strict=True):
            logits = plain.model(torch.tensor([row.encoded.input_ids])).logits[0]
            head = plain.model.get_output_embeddings()
            torch.testing.assert_close(head(row.base_states), logits, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(other.base_states, row.base_states, rtol=1e-4, atol=1e-4)
    assert any(weight.requires_grad for weight in loaded.model.parameters())  # the adapter is on again


@pytest.mark.parametrize(("shared", "first"), [(0, 1), (1, 1), (4, 4)])
def test_what_all_rows_begin_with_is_not_distilled(shared, first, tmp_path):
    loaded = models.load(small("glm", tmp_path / "base"), device="cpu")
    attach.attach(loaded, TrainingSettings())
    endings = ([20, 21, 22], [30, 31], [40, 41, 42, 43])
    rows = [Encoded([*range(7, 7 + shared), *ids], [IGNORED] * (shared + len(ids)), False) for ids in endings]
    distilled = DistilledRows(loaded, Rows(rows), 2)
    tensors = collate(rows, 0)
    distilled.add_states(list(distilled), tensors)
    places = [list(range(first, len(row.input_ids))) for row in rows]
    assert [one.nonzero()[:, 0].tolist() for one in tensors["distilled"]] == places
    assert tensors["base_states"].shape == (sum(map(len, places)), 32)
