"""What every text-to-image row must reach, on prompts that it was not tuned on."""

TEXT_TO_IMAGE_BARS = {"single object": 0.90, "colour attribution": 0.60}
FAMILY_BARS = {"single object": 0.95, "overall": 0.75}
DISTILLED_BARS = {name: round(bar - 0.10, 2) for name, bar in FAMILY_BARS.items()}  # within 0.10 of the teacher
