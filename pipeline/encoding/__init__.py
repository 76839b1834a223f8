"""Reviews as sequences of word ids, ragged and ready for training."""

from pipeline.encoding.records import EncodedPart, EncodingSummary, LengthBin, LengthPercentile
from pipeline.encoding.sequences import Sequences, load_sequences
from pipeline.encoding.stage import encode, encode_texts

__all__ = [
    "EncodedPart",
    "EncodingSummary",
    "LengthBin",
    "LengthPercentile",
    "Sequences",
    "encode",
    "encode_texts",
    "load_sequences",
]
