"""What the captions bought: detectors and features of pictures, the metrics computed from them with
their intervals, and the audit of a caption set against the prompts a model will be asked to
draw."""
