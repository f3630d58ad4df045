"""The default world: drawn scenes whose truth is known exactly, with web-like alt-text and
simulated human captions."""
