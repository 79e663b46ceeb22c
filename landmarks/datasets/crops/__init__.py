"""A face's crop, as a network sees it: where it is cut, and what is done to it in training."""
