"""A prompt becomes tokens: prefill, key/value cache, decoding steps."""
