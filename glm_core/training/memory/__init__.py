"""The memory that a run or a served model will need: sizes of the model, what a step keeps, the sum, and what to change."""
