"""How one arm of a grid is run: its training, its labels, the faces that it is tested on, what it will cost."""
