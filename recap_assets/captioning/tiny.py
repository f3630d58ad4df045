"""A small BLIP for small pictures, from random weights and a vocabulary of its own.

    captioner = tiny.build(texts)               # captions and prefixes it should be able to say
    losses = train(captioner, batches, lr=1e-3, steps=2000)
    save(captioner, folder, {"title": "..."})   # an ordinary folder for load and from_pretrained

The vocabulary keeps whole words, so that `texts` should hold the words of every style and prefix;
a word outside it is spelled with characters.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable

from recap_assets.captioning.captioner import Captioner, device
from recap_assets.captioning.families.blip import Blip
from recap_assets.experiment.captioner_settings import Captioner as Settings

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]")


def build(
    texts: Iterable[str],
    image_size: int = 64,
    *,
    patch: int = 8,
    hidden: int = 128,
    mlp: int = 384,
    heads: int = 4,
    image_layers: int = 4,
    text_layers: int = 3,
    max_tokens: int = 64,
    vocab_size: int = 800,
    seed: int = 0,
) -> Captioner:
    """A captioner with random weights (1.5 million parameters by default), the same for a seed.

    `image_size` and `patch` are in pixels, `max_tokens` bounds prefix and caption together.
    """
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    words = vocabulary(texts, vocab_size)
    shared = {"hidden_size": hidden, "intermediate_size": mlp, "num_attention_heads": heads}
    start, end, pad = words["[DEC]"], words["[SEP]"], words["[PAD]"]
    text = {
        **shared,
        "vocab_size": len(words),
        "num_hidden_layers": text_layers,
        "max_position_embeddings": max_tokens,
        "bos_token_id": start,
        "eos_token_id": end,
        "sep_token_id": end,
        "pad_token_id": pad,
    }
    vision = {
        **shared,
        "image_size": image_size,
        "patch_size": patch,
        "num_hidden_layers": image_layers,
        # The default of the configuration class, 1e-10, is meant for loading weights over it.
        "initializer_range": 0.02,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))
    processor = BlipImageProcessorPil(size={"height": image_size, "width": image_size})
    family = Blip(model.eval().to(device()), _tokenizer(words, max_tokens), processor)
    return Captioner(family, Settings(model="tiny"))


def vocabulary(texts: Iterable[str], size: int) -> dict[str, int]:
    """Token -> id: special tokens, characters, then whole words, the most frequent first.

    Words are what BERT's lower-casing normalizer and its splitter at spaces and punctuation make
    of `texts`; ties are broken by the alphabet. At most `size` tokens as long as the special tokens
    and the characters fit.
    """
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(), BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text, n in Counter(texts).items():
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)):
            counts[word] += n
    marks = set(string.punctuation)
    letters = sorted({*string.ascii_lowercase, *string.digits, *"".join(counts)} - marks)
    tokens = [*SPECIAL, *sorted(marks), *letters, *(f"##{letter}" for letter in letters)]
    words = sorted((word for word in counts if len(word) > 1), key=lambda w: (-counts[w], w))
    tokens += words[: max(0, size - len(tokens))]
    return {token: i for i, token in enumerate(tokens)}


def _tokenizer(words: dict[str, int], max_tokens: int) -> object:
    from transformers import BertTokenizer

    return BertTokenizer(
        vocab=words,
        bos_token="[DEC]",
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
    )
