"""The words that the models know: chosen once, frozen, and carried with every model."""

from pipeline.vocabulary.records import PartCoverage, VocabularySummary
from pipeline.vocabulary.stage import VOCABULARY_FILE, fit_vocabulary
from pipeline.vocabulary.words import PADDING_ID, Vocabulary

__all__ = ["PADDING_ID", "VOCABULARY_FILE", "PartCoverage", "Vocabulary", "VocabularySummary", "fit_vocabulary"]
