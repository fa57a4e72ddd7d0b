"""Answers by a server elsewhere that speaks OpenAI's API."""

from glm_core.serving.remote.engine import RemoteEngine

__all__ = ["RemoteEngine"]
