"""Text-to-image: loading a diffusers pipeline, latents, training an arm, drawing samples."""
