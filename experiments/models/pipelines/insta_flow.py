"""InstaFlow's pipeline, which diffusers does not ship: a flow made so straight that one Euler step follows it.

Liu et al. 2023, arXiv:2309.06380: from noise at time 1 the velocity v(x, t | words) points to the picture at time 0, and
x <- x + v / N for N steps is all there is. The release has the parts of Stable Diffusion 1.5 and is meant for N = 1
without guidance, which its distillation absorbed.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion import StableDiffusionPipelineOutput

TIME = 1000  # the U-Net counts time as Stable Diffusion does


class InstaFlowPipeline(StableDiffusionPipeline):
    """Stable Diffusion's parts around a flow; loads the release's folder with `from_pretrained`."""

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str],
        height: int = 512,
        width: int = 512,
        num_inference_steps: int = 1,
        generator: Any = None,
        output_type: str = "pil",
    ) -> StableDiffusionPipelineOutput:
        """Pictures of `prompt` in `num_inference_steps` Euler steps; `output_type` as in diffusers ("pil", "np", "pt")."""
        device = self._execution_device
        texts = [prompt] if isinstance(prompt, str) else prompt
        words, _ = self.encode_prompt(texts, device, 1, False)
        channels = self.unet.config.in_channels
        x = self.prepare_latents(len(texts), channels, height, width, words.dtype, device, generator)
        for i in range(num_inference_steps):
            time = torch.full((len(texts),), TIME * (1 - i / num_inference_steps), device=device)
            x = x + self.unet(x, time, encoder_hidden_states=words).sample / num_inference_steps
        pictures = self.vae.decode(x / self.vae.config.scaling_factor, return_dict=False)[0]
        pictures, flagged = self.run_safety_checker(pictures, device, words.dtype)
        kept = [not flag for flag in flagged] if flagged else [True] * len(texts)
        shown = self.image_processor.postprocess(pictures, output_type=output_type, do_denormalize=kept)
        return StableDiffusionPipelineOutput(images=shown, nsfw_content_detected=flagged)
