"""A stranger's chat template, rendered in a process of its own: a loop or a long text in one ends that process and nothing else."""
