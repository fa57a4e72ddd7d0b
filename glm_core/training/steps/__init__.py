"""What one training step computes: the loss over answers, its recording as a CUDA graph, activations computed again."""
