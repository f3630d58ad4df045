"""What decides a project: the typed recap.yaml and its presets, the keys and paths of every
artifact, fingerprints that say what changed, and files that are written whole or not at all."""
