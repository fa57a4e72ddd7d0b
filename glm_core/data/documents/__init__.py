"""A document (txt, md, docx, pdf, html) becomes blocks of text, blocks become passages of bounded length."""

from glm_core.data.documents.blocks import Block, Document
from glm_core.data.documents.extract import DOCUMENT_ENDINGS, extract
from glm_core.data.documents.passages import Passage, cut, estimate_tokens

__all__ = ["DOCUMENT_ENDINGS", "Block", "Document", "Passage", "cut", "estimate_tokens", "extract"]
