def fit(like) -> bool:
    return False
