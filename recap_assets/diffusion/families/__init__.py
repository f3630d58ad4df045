"""The kinds of text-to-image pipelines of diffusers: one file each, behind one interface."""
