"""Fused GPU kernels and the choice of when to use them."""
