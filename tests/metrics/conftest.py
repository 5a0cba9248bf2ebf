"""A CLIP folder with random weights: the same files as a trained one."""

import sys
from pathlib import Path

import pytest
import torch

sys.path[:0] = [str(Path(__file__).parent)]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    from experiments.models.tokenizers import clip_tokenizer

    folder = tmp_path_factory.mktemp("clip")
    tokenizer = clip_tokenizer(["a red cube", "a blue sphere and a small green cone"], length=16, vocabulary=600)
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "max_position_embeddings": 16, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id}
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    model.visual_projection.weight.data.neg_()  # with this seed scores are then above 0, where torchmetrics cuts them
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32},
                          image_mean=[0.5] * 3, image_std=[0.4] * 3).save_pretrained(folder)
    return folder
