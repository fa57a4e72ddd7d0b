"""The ordinary clients of OpenAI's API against a running server of ours."""
