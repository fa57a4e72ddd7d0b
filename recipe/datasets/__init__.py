"""The generators of the data sets in ``assets/datasets``: ``python -m recipe.datasets`` writes them again.

The imprint set there is written by hand.
"""
