"""Which adapters a loaded model carries, and how to reach them. What is done with them: adapters.py, mixing.py."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glm_core.models import LoadedModel
from glm_core.training.errors import AdapterError

if TYPE_CHECKING:
    from peft import PeftModel


@dataclass
class Attached:
    """The adapters of one model.

    Attributes:
        own_prefix: of a base that came with one; part of the base.
        methods: name -> "lora" or "ptuning".
        scalable: names of those that act at any strength.
        peft: PEFT's view of the model, while there is a LoRA.
    """

    own_prefix: str | None
    methods: dict[str, str] = field(default_factory=dict)
    scalable: set[str] = field(default_factory=set)
    peft: "PeftModel | None" = None

    def method(self, name: str) -> str:
        """The method of adapter `name`.

        Raises:
            AdapterError: no adapter of that name is loaded.
        """
        try:
            return self.methods[name]
        except KeyError:
            raise AdapterError("adapters.error.unknown", name=name) from None


def attached(loaded: LoadedModel) -> Attached:
    """Kept on the model: in a table beside it PEFT's model, which refers to the base, would keep it in memory for ever."""
    held = vars(loaded.model)
    if "attached_adapters" not in held:
        switch = getattr(loaded.model, "prefixes", None)
        held["attached_adapters"] = Attached(own_prefix=switch.active if switch is not None else None)
    return held["attached_adapters"]


def slot(name: str) -> str:
    """What PEFT calls the adapter: module names may hold neither dots nor PEFT's own prefixes."""
    return f"x{name.encode().hex()}"
