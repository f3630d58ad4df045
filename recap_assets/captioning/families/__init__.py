"""The kinds of captioners of transformers, one file each, behind one interface."""
