"""A model writes rows from what people have instead: questions and answers from documents, other wordings of rows.

Nothing it writes is data until a person has accepted it. Importing this package imports no torch.
"""

from glm_core.drafting.drafts import Draft, DraftError, DraftPair, Item

__all__ = ["Draft", "DraftError", "Item", "DraftPair"]
