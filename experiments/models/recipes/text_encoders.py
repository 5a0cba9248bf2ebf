"""Rows of the text encoders beside CLIP. Budgets and batches count captions; all are frozen once trained."""

from __future__ import annotations

from experiments.models.recipes.recipe import CAPTIONS, LOOP, Recipe

_BY_TEXT = (LOOP, CAPTIONS, "experiments.training.text_losses", "experiments.models.text_tokenizers", "experiments.models.text_models")
_ALL = ("en", "zh", "vi")
_TOKENS = dict(scores="experiments.metrics.part_scores:token_accuracy")
_T5 = dict(feed_forward_proj="gated-gelu", num_decoder_layers=1, relative_attention_num_buckets=32, relative_attention_max_distance=128)
_BERT = dict(hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=384)


def _row(name: str, trainer: str, **changes) -> Recipe:
    return Recipe(name, f"experiments.training.text_encoders:{trainer}", made_by=_BY_TEXT, **dict(images=400_000, batch=128, rate=2e-3) | changes)


ROWS = (
    _row(
        "t5",
        "t5",
        mirrors="T5-v1.1-XXL's encoder, of sd3.5-medium, flux.1-dev and pixart-alpha",
        objective="span corruption",
        # as wide as the two CLIP towers side by side, since Stable Diffusion 3 fills those up to the width of its T5
        config=_TOKENS | dict(model=_T5 | dict(d_model=288, d_kv=32, num_heads=4, d_ff=288, num_layers=2), languages=("en",), length=40),
        expected={"token accuracy": 0.5},
    ),
    _row(
        "mt5",
        "t5",
        mirrors="mT5-XL's encoder, of hunyuan-dit-v1.2",
        objective="span corruption",
        config=_TOKENS | dict(model=_T5 | dict(d_model=96, d_kv=24, num_heads=4, d_ff=192, num_layers=2), languages=_ALL, length=80),
        expected={"token accuracy": 0.5},
    ),
    _row(
        "t5-large",
        "t5",
        mirrors="Flan-UL2's encoder, of kandinsky-3.0: the largest text encoder here, as it is among the releases with one T5",
        objective="span corruption",
        config=_TOKENS | dict(
            model=_T5 | dict(d_model=192, d_kv=48, num_heads=4, d_ff=384, num_layers=4, feed_forward_proj="gated-silu"), languages=("en",), length=40
        ),
        expected={"token accuracy": 0.5},
    ),
    _row(
        "language-model",
        "language_model",
        mirrors="Qwen3-4B, of flux.2-klein-4b",
        objective="next token",
        config=_TOKENS | dict(
            model=dict(
                hidden_size=96,
                num_hidden_layers=4,
                intermediate_size=256,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=24,
                max_position_embeddings=512,
                tie_word_embeddings=True,
            ),
            languages=("en",),
            length=64,
        ),
        expected={"token accuracy": 0.5},
    ),
    _row(
        "clip-bilingual",
        "bilingual",
        mirrors="the bilingual CLIP text tower of hunyuan-dit-v1.2, a BERT; its picture tower is that of `clip`, frozen",
        objective="contrastive, locked picture tower",
        needs=("clip",),
        config=dict(model=_BERT | dict(max_position_embeddings=80), dimension=128, languages=("en", "zh"), length=77),
        expected={"retrieval@1 of 64": 0.85},
    ),
    _row(
        "clip-multilingual",
        "multilingual",
        mirrors="XLM-Roberta-Large-Vit-L-14, the text encoder of kandinsky-2.1",
        objective="squared error to CLIP's text embeddings",
        needs=("clip",),
        config=dict(
            model=_BERT | dict(max_position_embeddings=82, type_vocab_size=1, layer_norm_eps=1e-5), dimension=128, languages=_ALL, length=77
        ),
        expected={"retrieval@1 of 64": 0.85},
    ),
)
