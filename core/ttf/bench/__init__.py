"""``ttf bench``: how long planning, training, reading data and starting take, against references in the same run."""
