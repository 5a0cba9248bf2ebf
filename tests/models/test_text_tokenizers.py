"""Tokenizers of the text encoders: every caption is whole words, nothing is unknown, and a saved one is the same."""

import pytest
import tiny_family

from experiments.models import text_tokenizers as make

LENGTHS = {"en": 40, "zh": 80, "vi": 80}


def made(kind):
    if kind == "t5":
        return make.t5_tokenizer(tiny_family.CAPTIONS, 80)
    if kind == "xlm-r":
        return make.xlm_roberta_tokenizer(tiny_family.CAPTIONS, 80)
    return make.bert_tokenizer(("en", "zh"), 77) if kind == "bert" else make.qwen_tokenizer(tiny_family.CAPTIONS["en"], 64)


@pytest.fixture(scope="module")
def tokenizers():
    return {kind: made(kind) for kind in ("t5", "xlm-r", "bert", "qwen")}


@pytest.mark.parametrize(("kind", "languages"), [("t5", "en zh vi"), ("xlm-r", "en zh vi"), ("bert", "en zh"), ("qwen", "en")])
def test_captions_hold_nothing_unknown_and_come_back(tokenizers, kind, languages):
    tokenizer = tokenizers[kind]
    for language in languages.split():
        for text in tiny_family.CAPTIONS[language][:40]:
            ids = tokenizer(text)["input_ids"]
            assert len(ids) <= LENGTHS[language] + 2
            assert kind == "qwen" or tokenizer.unk_token_id not in ids
            back = tokenizer.decode(ids, skip_special_tokens=True)
            assert back.replace(" ", "").lower() == text.replace(" ", "").lower()


def test_an_english_word_is_one_piece(tokenizers):
    assert tokenizers["t5"].tokenize("a small red cube") == ["▁a", "▁small", "▁red", "▁cube"]
    assert tokenizers["bert"].tokenize("一个红色") == ["一", "个", "红", "色"]
    assert tokenizers["t5"].convert_tokens_to_ids("<extra_id_0>") == len(tokenizers["t5"]) - 1


@pytest.mark.parametrize("kind", ["t5", "xlm-r", "bert", "qwen"])
def test_a_saved_tokenizer_is_the_same(tokenizers, kind, tmp_path):
    tokenizer = tokenizers[kind]
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    texts = [t for held in tiny_family.CAPTIONS.values() for t in held[:5]]
    assert again(texts)["input_ids"] == tokenizer(texts)["input_ids"] and again.model_max_length == tokenizer.model_max_length


@pytest.mark.parametrize("kind", ["t5", "qwen"])
def test_a_vocabulary_is_the_same_on_every_run(tokenizers, kind):
    assert made(kind).backend_tokenizer.to_str() == tokenizers[kind].backend_tokenizer.to_str()


def test_a_prompt_is_put_as_a_turn_of_a_conversation(tokenizers):
    said = make.chat(tokenizers["qwen"], "a red cube")
    assert said.startswith("<|im_start|>user\na red cube<|im_end|>") and said.endswith("</think>")
    assert len(tokenizers["qwen"](said)["input_ids"]) < 24
