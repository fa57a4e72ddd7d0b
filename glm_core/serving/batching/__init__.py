"""Many sequences computed together: one batch a base, adapters by row, the sampling and the grammar of each row."""
