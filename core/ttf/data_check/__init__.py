"""``ttf data check``: whether a data set is good enough to learn from, and what to do about it if not."""
