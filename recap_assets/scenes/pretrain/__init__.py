"""Makes the small base models of `data/base/` from scenes that no project's world contains."""
