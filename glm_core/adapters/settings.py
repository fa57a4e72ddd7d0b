"""The part of a run's settings that decides the shape of its adapter."""

from typing import Protocol


class AdapterSettings(Protocol):
    """The fields that `attach` reads; a run's `TrainingSettings` has them."""

    @property
    def method(self) -> str:
        """ "lora" or "ptuning"."""

    @property
    def lora_rank(self) -> int:
        """Inner width of the two matrices."""

    @property
    def lora_alpha(self) -> int | float:
        """Numerator of the factor that their product is scaled by."""

    @property
    def lora_dropout(self) -> float:
        """Share of a LoRA's input that is dropped in training, 0 to 1."""

    @property
    def lora_targets(self) -> str:
        """Linear modules to adapt, see `glm_core.adapters.targets.choose_targets`."""

    @property
    def rslora(self) -> bool:
        """Return whether the scale is divided by the root of the rank instead of the rank."""

    @property
    def dora(self) -> bool:
        """Return whether each output's magnitude is trained apart from its direction."""

    @property
    def pissa(self) -> bool:
        """Return whether a LoRA shall begin with the principal part of each weight."""

    @property
    def prefix_length(self) -> int:
        """Virtual tokens of a prefix."""

    @property
    def prefix_projection(self) -> bool:
        """Return whether a prefix is computed by a small network."""


def has_pissa(settings: AdapterSettings) -> bool:
    """Return whether it is a LoRA that begins with the principal part of each weight (`glm_core.adapters.pissa`)."""
    return settings.method == "lora" and settings.pissa


def attached_rank(settings: AdapterSettings) -> int:
    """Inner width of a LoRA's matrices: with PiSSA twice the rank that is trained."""
    return settings.lora_rank * (2 if has_pissa(settings) else 1)
