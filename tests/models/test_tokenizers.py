"""The tokenizer trained on captions: CLIP's own class, every text known to it, the same after reloading."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from experiments.data.captions import STYLES, caption
from experiments.data.scenes import sample_scene
from experiments.models.recipes import LENGTH
from experiments.models.tokenizers import MARKS, clip_tokenizer

CAPTIONS = [caption(sample_scene(i), "en", style) for i in range(60) for style in range(STYLES)]


@pytest.fixture(scope="module")
def tokenizer():
    return clip_tokenizer(CAPTIONS, LENGTH)


def ids(tokenizer, text, **options):
    return tokenizer(text, **options)["input_ids"]


def test_reloaded_it_gives_the_same_tokens(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    texts = [*CAPTIONS[:40], "", "Ein grüner Würfel", "红色的球", "một hình cầu", "🟥 cube", "A  RED\tcube\n", "cube" * 50]
    for text in texts:
        options = dict(padding="max_length", max_length=LENGTH, truncation=True)
        assert ids(tokenizer, text, **options) == ids(again, text, **options)
    assert again.model_max_length == LENGTH and len(again) == len(tokenizer)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_no_text_is_unknown(tokenizer, text):
    """Every byte has a token, so nothing becomes the unknown mark (which is the end mark) inside a text."""
    inner = ids(tokenizer, text)[1:-1]
    marks = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    if not any(mark in text.lower() for mark in MARKS):
        assert not marks & set(inner)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(categories=["Ll", "Nd"], max_codepoint=0x24F), min_size=1, max_size=30))
def test_words_are_read_back(tokenizer, text):
    plain = tokenizer.decode(ids(tokenizer, text), skip_special_tokens=True)
    again = tokenizer.decode(ids(tokenizer, plain), skip_special_tokens=True)
    assert plain == again


def test_captions_are_read_back(tokenizer):
    for text in CAPTIONS[:50]:
        back = tokenizer.decode(ids(tokenizer, text), skip_special_tokens=True)
        assert back.replace(" ", "") == text.lower().replace(" ", "")


@pytest.mark.parametrize("words", [0, 1, 10, 60])
def test_sequences_have_their_length_with_start_and_end(tokenizer, words):
    got = ids(tokenizer, " ".join(["cube"] * words), padding="max_length", max_length=LENGTH, truncation=True)
    assert len(got) == LENGTH and got[0] == tokenizer.bos_token_id
    if words > LENGTH - 2:
        assert got[-1] == tokenizer.eos_token_id and tokenizer.pad_token_id not in got[1:-1]
    else:
        assert got[words + 1] == tokenizer.eos_token_id


def test_every_english_caption_fits(tokenizer):
    """None loses its end: the longest has LENGTH tokens at most."""
    longest = max(len(ids(tokenizer, caption(sample_scene(i, count=4), "en", style))) for i in range(150) for style in range(STYLES))
    assert longest <= LENGTH


def test_common_words_are_single_tokens(tokenizer):
    for word in ("cube", "sphere", "cylinder", "cone", "red", "purple", "metal", "rubber", "small", "large", "left"):
        assert len(ids(tokenizer, word)) == 3, word


def test_capitals_and_spaces_do_not_matter(tokenizer):
    assert ids(tokenizer, "A Red  CUBE") == ids(tokenizer, "a red cube")


def test_the_vocabulary_is_as_large_as_asked():
    small = clip_tokenizer(CAPTIONS, 20, vocabulary=400)
    assert small.model_max_length == 20
    assert 2 + 256 < len(small) <= 400 + 256  # bytes that end a word are added to what was learned
    assert sorted(small.get_vocab().values()) == list(range(len(small)))
