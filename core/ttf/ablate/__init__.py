"""Studies: a recipe with parts swapped, every combination trained with several seeds and compared."""
