"""What every text-to-image row must reach, on prompts that it was not tuned on."""

TEXT_TO_IMAGE_BARS = {"single object": 0.90, "colour attribution": 0.60}
