"""Turns cleaned text into sequences of word ids: ``fit_vocabulary`` chooses the words, ``encode`` looks them up."""

from pipeline.encoding.encoding_stage import encode, encode_texts
from pipeline.encoding.records import (
    EncodedSplit,
    EncodingSummary,
    LengthBin,
    LengthPercentile,
    SplitCoverage,
    VocabularySummary,
)
from pipeline.encoding.sequences import Sequences, load_sequences, load_training_sequences
from pipeline.encoding.vocabulary import PADDING_ID, VOCABULARY_FILE, Vocabulary
from pipeline.encoding.vocabulary_stage import fit_vocabulary

__all__ = [
    "PADDING_ID",
    "VOCABULARY_FILE",
    "EncodedSplit",
    "EncodingSummary",
    "LengthBin",
    "LengthPercentile",
    "Sequences",
    "SplitCoverage",
    "Vocabulary",
    "VocabularySummary",
    "encode",
    "encode_texts",
    "fit_vocabulary",
    "load_sequences",
    "load_training_sequences",
]
