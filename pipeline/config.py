"""The parameters of a run. The trigger form, the command line and the reference page are generated from them.

``RunConfig`` has one section per group of stages. Each field has a title, a description with its unit, bounds and a
default (profile ``default``). Field names are unique across sections, so a form or a command line needs no prefix.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from pipeline.errors import ConfigurationError, quoted

ProfileName = Literal["default", "long_reviews", "article", "demo"]
Direction = Literal["uni", "bi", "none"]
Activation = Literal["tanh", "relu", "sigmoid", "elu", "selu", "gelu"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
PositiveInt = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
DropoutShare = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
ProperShare = Annotated[float, Field(gt=0, lt=1)]
Margin = Annotated[float, Field(ge=0, lt=0.5)]
PositiveMargin = Annotated[float, Field(gt=0, lt=0.5)]

DEMO_DUMP = "demo"
KAGGLE_DUMP = "kaggle"
INBOX_DUMP = "inbox"
INBOX_FILE = "inbox:"
"""Start of a dump that names one file of the inbox."""

_RATING = r"[+-]?[0-9]{1,9}(?:[.,][0-9]{1,9})?"
RATING_SCALE = re.compile(rf"\s*({_RATING})\s*(?:-|–|to|\.\.)\s*({_RATING})\s*", re.ASCII)
"""A rating scale by its lowest and highest rating, e.g. ``1-5`` or ``-1 to 1``."""

_SWEPT = ("directions", "seeds", "units", "layers", "embedding_dim", "activation", "dropout", "batch_size")
"""Lists of ``TrainingConfig``; the variants are their Cartesian product."""

_OF_THE_LSTM = {"units": 0, "layers": 0, "dropout": 0.0}
"""Fields of a variant that only an LSTM uses, and their values without one."""


def _number(text: str) -> float:
    return float(text.replace(",", "."))


class Section(BaseModel):
    """Base class of the sections: frozen, no unknown fields, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DataConfig(Section):
    """Which dumps to read, and how."""

    dumps: tuple[str, ...] = Field(
        (DEMO_DUMP,),
        title="Dumps",
        description="Files, folders, http(s):// or s3:// URLs, `inbox` for all new files in the inbox, "
        "`inbox:NAME` for one file in it, `kaggle` for the public data set, or `demo` for a generated one. Formats: "
        "CSV, JSON, Parquet, Excel (.xlsx), SNAP text; plain, .gz, .bz2, .xz, .zst or .zip.",
        min_length=1,
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        title="Column mapping",
        description="Pipeline column → dump column, e.g. `text` → `Review`. An empty name switches a column off. "
        "Empty: the Kaggle and SNAP names.",
    )
    rating_scale: str = Field(
        "auto",
        title="Rating scale",
        description="Lowest and highest rating of the dump, e.g. `1-5`, `0-1`, `1-10` or `-1 to 1`; `words` such as "
        "positive and negative; `auto`: recognized from all values.",
    )
    negative_up_to: float | None = Field(
        None,
        title="Negative up to",
        description="Rating in the units of the dump up to which a review is negative. Empty: two fifths of the scale.",
    )
    positive_from: float | None = Field(
        None,
        title="Positive from",
        description="Rating in the units of the dump from which a review is positive. Reviews in between are neutral.",
    )
    rating_labels: dict[str, Literal["negative", "neutral", "positive"]] = Field(
        default_factory=dict,
        title="Rating labels",
        description="Value of the score column → `negative`, `neutral` or `positive`, e.g. `good` → `positive`. Other "
        "values are bad scores. Empty: the rating scale.",
    )
    date_order: Literal["auto", "day_first", "month_first"] = Field(
        "auto",
        title="Date order",
        description="Meaning of dates such as 03/04/2019: `day_first` (3 April) or `month_first` (4 March). `auto`: "
        "recognized from the whole column.",
    )
    delimiter: str | None = Field(
        None,
        title="Delimiter",
        description="Field separator of CSV dumps. Empty: detected.",
        min_length=1,
        max_length=1,
    )
    encoding: str | None = Field(
        None, title="Encoding", description="Text encoding of the dump, e.g. `utf-8`, `cp1252`. Empty: detected."
    )

    @field_validator("rating_scale")
    @classmethod
    def _known_scale(cls, name: str) -> str:
        ends = RATING_SCALE.fullmatch(name)
        if name not in {"auto", "words"} and (ends is None or _number(ends[1]) >= _number(ends[2])):
            raise ValueError("Use `auto`, `words`, or the lowest and the highest rating, e.g. `1-5` or `-1 to 1`")
        return name

    @model_validator(mode="after")
    def _one_meaning_of_ratings(self) -> Self:
        low, high = self.negative_up_to, self.positive_from
        if (low is None) != (high is None):
            raise ValueError(
                "'Negative up to' (negative_up_to) and 'Positive from' (positive_from) belong together: set both"
            )
        if low is not None and high is not None and low >= high:
            raise ValueError(
                f"'Negative up to' (negative_up_to) is {low:g}, but must be below 'Positive from' (positive_from), "
                f"which is {high:g}"
            )
        if self.rating_labels and (low is not None or self.rating_scale != "auto"):
            raise ValueError(
                "'Rating labels' (rating_labels) give every rating its meaning: leave rating_scale, negative_up_to and "
                "positive_from as they are, or leave the labels out"
            )
        if self.rating_scale == "words" and low is not None:
            raise ValueError("The rating scale `words` has no numbers for negative_up_to and positive_from")
        return self


class DatasetConfig(Section):
    """The training window: which dumps a run trains on."""

    window: Literal["these", "all", "last", "since"] = Field(
        "these",
        title="Training window",
        description="`these`: only the dumps named above, as an experiment; the batch registry does not change. The "
        "other values add the dumps to the registry and train on `all` of it, on its `last` dumps, or on the dumps "
        "received `since` a day.",
    )
    window_dumps: int = Field(
        4, title="Dumps in the window", description="Number of dumps in the window `last`.", ge=1, le=10_000
    )
    window_since: date | None = Field(None, title="Window start", description="First day (UTC) of the window `since`.")
    as_of: AwareDatetime | None = Field(
        None,
        title="As of",
        description="Train as at this time: on dumps received until then, and on no new ones. Empty: now.",
    )

    @model_validator(mode="after")
    def _since_needs_a_day(self) -> Self:
        if self.window == "since" and self.window_since is None:
            raise ValueError("The window `since` needs a day: set 'Window start' (window_since)")
        return self


class ValidationConfig(Section):
    """Limits of the data contract."""

    max_bad_row_share: Share = Field(
        0.01,
        title="Maximum share of bad rows",
        description="Share of quarantined rows (0–1) above which the run stops.",
    )
    max_unreadable_share: Share = Field(
        0.01,
        title="Maximum share of damaged texts",
        description="Share of reviews (0–1) with a character that could not be read, above which the run stops.",
    )
    min_rows: int = Field(
        200,
        title="Minimum rows",
        description="Rows that a dump must have after the row rules. Scores on fewer rows are meaningless.",
        ge=1,
    )
    min_class_share: float = Field(
        0.01,
        title="Minimum class share",
        description="Share (0–1) of the labeled rows that each class, negative and positive, must have.",
        ge=0,
        le=0.5,
    )
    allow_other_languages: bool = Field(
        False,
        title="Allow other languages",
        description="Also train on reviews that are mostly not in English. Cleaning keeps only a–z and drops English "
        "stop words.",
    )


class DriftConfig(Section):
    """How far a dump may differ from the training data of the champion."""

    max_label_shift: PositiveShare = Field(
        0.25,
        title="Maximum label shift",
        description="Change (0–1) of the share of positive reviews above which the dump is rejected. 1: no limit.",
    )
    max_psi: float | None = Field(
        None,
        title="Maximum PSI",
        description="Population stability index of any column above which the dump is rejected. Empty: warn only.",
        gt=0,
    )


class TextConfig(Section):
    """How review text is cleaned."""

    normalization: Literal["default", "article"] = Field(
        "default",
        title="Normalization",
        description="`article`: exactly the steps of the replicated article. `default`: keeps negations and words that "
        "contain a tag, and separates numbers from units.",
    )
    include_summary: bool = Field(
        True, title="Include the summary", description="Put the summary of a review before its text."
    )
    deduplicate: bool = Field(
        True,
        title="Drop duplicates",
        description="Exclude repeated reviews (same user, profile name, time and text). The first one is kept. Short "
        "texts without user, profile name and time of day are kept. Off: every row of an official split is kept.",
    )


class SplitConfig(Section):
    """How rows are assigned to the train, validation and test splits."""

    strategy: Literal["grouped", "temporal", "column", "article"] = Field(
        "grouped",
        title="Split strategy",
        description="`grouped`: whole groups, stratified by label. `temporal`: the newest reviews are the test split. "
        "`column`: the official splits in the column `split` of the dump. `article`: the last rows in ProductId order "
        "are the test split.",
    )
    group_by: Literal["product", "user", "product_and_user", "nothing"] = Field(
        "product",
        title="Group by",
        description="Reviews of one group stay in one split (`grouped`, and `column` if it has no validation rows). "
        "Near-duplicates always stay together.",
    )
    test_size: float = Field(
        0.1,
        title="Test size",
        description="Share of the rows (0–1) in the test split. Not used by `column`.",
        gt=0,
        lt=1,
    )
    validation_size: ProperShare = Field(
        0.1,
        title="Validation size",
        description="Share (0–1) of the remaining rows, for early stopping and the decision threshold.",
    )
    near_duplicate_threshold: PositiveShare = Field(
        0.8,
        title="Near-duplicate threshold",
        description="Jaccard similarity (0–1) of three-word shingles from which two texts of at least eight words are "
        "near-duplicates.",
    )
    split_seed: Seed = Field(13, title="Split seed", description="Seed of the strategies `grouped` and `column`.")

    @model_validator(mode="after")
    def _something_left_to_train(self) -> Self:
        if self.test_size + self.validation_size >= 1:
            raise ValueError(
                f"Test size ({self.test_size}) + validation size ({self.validation_size}) leave nothing to train on; "
                "make them add up to less than 1"
            )
        return self


class VocabularyConfig(Section):
    """Which words get an id."""

    fit_on: Literal["train", "all"] = Field(
        "train",
        title="Fit vocabulary on",
        description="`train`: training rows only. `all`: every row, as in the replicated article (data leakage).",
    )
    max_vocabulary_size: int = Field(
        30_000, title="Maximum vocabulary size", description="Most frequent words to keep. 0: all.", ge=0
    )
    min_frequency: int = Field(2, title="Minimum frequency", description="Occurrences that a word needs.", ge=1)

    @property
    def has_unknown_word(self) -> bool:
        """Whether a word can be without an id of its own, so that the vocabulary needs the unknown word."""
        return self.fit_on == "train" or self.max_vocabulary_size > 0 or self.min_frequency > 1


class EncodingConfig(Section):
    """How texts become sequences of word ids."""

    max_length: int = Field(
        150, title="Maximum length", description="Words of a review that the model reads.", ge=1, le=10_000
    )
    keep: Literal["last", "first"] = Field(
        "last", title="Words to keep", description="Which words of a longer review are kept."
    )
    summaries_as_texts: bool = Field(
        True,
        title="Summaries as texts",
        description="Train also on the summary of each training review as a text of its own, so that the model reads "
        "short texts.",
    )
    negation_examples: float = Field(
        0.1,
        title="Negation examples",
        description="Generated short sentences such as `not bad at all` to train on, as a share (0–1) of the training "
        "rows. 0: none.",
        ge=0,
        le=1,
    )


class TrainingConfig(Section):
    """The models and how they are trained. Lists are swept: every combination of their values is one variant."""

    directions: tuple[Direction, ...] = Field(
        ("uni", "bi"),
        title="Directions",
        description="One network each: unidirectional LSTM (`uni`), bidirectional LSTM (`bi`), or the same network "
        "without an LSTM (`none`), which pools the word vectors.",
        min_length=1,
    )
    seeds: tuple[Seed, ...] = Field(
        (1,), title="Seeds", description="One training per seed. The spread between seeds is noise.", min_length=1
    )
    units: tuple[PositiveInt, ...] = Field(
        (128,), title="LSTM units", description="Units of each LSTM layer and direction.", min_length=1
    )
    layers: tuple[PositiveInt, ...] = Field((2,), title="LSTM layers", description="Stacked layers.", min_length=1)
    embedding_dim: tuple[PositiveInt, ...] = Field(
        (32,), title="Embedding dimension", description="Dimensions of a word vector.", min_length=1
    )
    activation: tuple[Activation, ...] = Field(
        ("relu",), title="Activation", description="Activation of the dense layer before the output.", min_length=1
    )
    dense_units: int = Field(32, title="Dense units", description="Units of that dense layer.", ge=1)
    dropout: tuple[DropoutShare, ...] = Field(
        (0.2,),
        title="Dropout",
        description="Share (0–1) of activations dropped in training between the LSTM layers.",
        min_length=1,
    )
    word_pairs: int = Field(
        200_000,
        title="Word pairs",
        description="Pairs of neighboring words with a vector of their own: the most frequent ones that occur at least "
        "twice in the training rows. 0: none.",
        ge=0,
        le=2_000_000,
    )
    initial_vectors: Literal["text", "random"] = Field(
        "text",
        title="Initial word vectors",
        description="`text`: from the words that occur near each other in the training rows. Not used with pre-trained "
        "vectors.",
    )
    pooling: Literal["mean_max", "last"] = Field(
        "mean_max",
        title="Pooling",
        description="What the dense layer reads of the last LSTM: `mean_max`: mean and maximum over all words; `last`: "
        "the output at the last word.",
    )
    linear_part: bool = Field(
        True,
        title="Linear part",
        description="Add the log-odds of a logistic regression over words and pairs of words to those of the network, "
        "weighted on the validation split.",
    )
    word_dropout: DropoutShare = Field(
        0.1, title="Word dropout", description="Share (0–1) of words that become the unknown word in training."
    )
    pair_dropout: DropoutShare = Field(
        0.3, title="Word pair dropout", description="Share (0–1) of word pairs whose vectors are dropped in training."
    )
    embedding_dropout: DropoutShare = Field(
        0.2,
        title="Embedding dropout",
        description="Share (0–1) of embedding dimensions dropped in training, for all words of a review at once.",
    )
    dense_dropout: DropoutShare = Field(
        0.5, title="Dense dropout", description="Share (0–1) of inputs of the dense layer dropped in training."
    )
    batch_size: tuple[PositiveInt, ...] = Field(
        (128,), title="Batch size", description="Reviews per optimizer step.", min_length=1
    )
    learning_rate: float = Field(
        0.001, title="Learning rate", description="Learning rate of Adam; with a schedule, its maximum.", gt=0, lt=1
    )
    schedule: Literal["cosine", "constant"] = Field(
        "cosine",
        title="Learning rate schedule",
        description="`cosine`: rises for a tenth of the steps and then falls to zero. `constant`: does not change.",
    )
    weight_averaging: DropoutShare = Field(
        0.99,
        title="Weight averaging",
        description="Decay per step (0–1) of the moving average of the weights, which is evaluated and saved. 0: the "
        "weights of the last step.",
    )
    epochs: int = Field(3, title="Epochs", description="Maximum number of passes over the training rows.", ge=1)
    patience: int = Field(
        2, title="Patience", description="Epochs without a lower validation loss before training stops.", ge=1
    )
    restore_best_weights: bool = Field(
        True, title="Restore best weights", description="Use the weights of the epoch with the lowest validation loss."
    )
    padding: Literal["masked", "unmasked"] = Field(
        "masked",
        title="Padding",
        description="`masked`: the LSTM skips the padding. `unmasked`: every row is padded to the maximum length and "
        "the LSTM reads the padding, a bug of the replicated article.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", title="Class weights", description="`balanced`: both classes have the same total weight in the loss."
    )
    vectors: str | None = Field(
        None,
        title="Pre-trained vectors",
        description="GloVe or word2vec text file that initializes the embedding. Empty: random.",
    )

    @model_validator(mode="after")
    def _no_variant_twice(self) -> Self:
        for name in _SWEPT:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                title = type(self).model_fields[name].title
                raise ValueError(
                    f"{title} ({name}) has a value twice: {', '.join(map(str, values))}; remove the repeated one"
                )
        return self

    @model_validator(mode="after")
    def _averaged_vectors_are_pooled(self) -> Self:
        if "none" in self.directions and self.pooling == "last":
            raise ValueError(
                "Without an LSTM (`none` in directions) the pooling `last` would read the last word only; set pooling "
                "to mean_max, or remove `none`"
            )
        return self


class EvaluationConfig(Section):
    """How a model is evaluated."""

    threshold: Literal["balanced_accuracy", "negative_recall", "half"] = Field(
        "balanced_accuracy",
        title="Threshold",
        description="Probability from which a review is classified as positive, chosen on the validation split: "
        "`balanced_accuracy` maximizes it, `negative_recall` reaches the recall below, `half` is 0.5.",
    )
    negative_recall_goal: ProperShare = Field(
        0.9,
        title="Negative recall target",
        description="Recall (0–1) of negative reviews that the threshold `negative_recall` must reach on the "
        "validation split.",
    )
    bootstrap_samples: int = Field(
        1000, title="Bootstrap samples", description="Resamples per confidence interval.", ge=100, le=100_000
    )


class ExportConfig(Section):
    """How an exported model answers."""

    calibration: Literal["temperature", "none"] = Field(
        "temperature",
        title="Calibration",
        description="`temperature`: the probabilities of the exported model are rescaled on the validation split, and "
        "0.5 is the threshold. `none`: they stay as the network gives them.",
    )
    min_confidence: float = Field(
        0.65,
        title="Minimum confidence",
        description="Probability (0.5–1) of the more probable class below which the answer is `unsure`. 0.5: never.",
        ge=0.5,
        lt=1,
    )


class PromotionConfig(Section):
    """When a challenger replaces the champion. ``docs/explanation/promotion.md`` explains each rule."""

    metric: Literal["balanced_accuracy", "accuracy", "negative_recall"] = Field(
        "balanced_accuracy", title="Promotion metric", description="Metric that compares challenger and champion."
    )
    non_inferiority_margin: PositiveMargin = Field(
        0.02,
        title="Non-inferiority margin",
        description="How far (0–1) the confidence interval of challenger minus champion may extend below zero.",
    )
    required_improvement: Margin = Field(
        0.0,
        title="Required improvement",
        description="By how much (0–1) the challenger must exceed the champion. A tie keeps the champion.",
    )
    baseline_margin: Margin = Field(
        0.05,
        title="Baseline margin",
        description="How far (0–1) a model may be below TF-IDF with logistic regression.",
    )
    slice_margin: PositiveMargin = Field(
        0.05,
        title="Slice margin",
        description="How far (0–1) the challenger may be below the champion on any slice of the reviews.",
    )
    slice_rows: int = Field(
        200, title="Minimum slice rows", description="Rows that a slice needs to be compared.", ge=20
    )
    max_calibration_error: PositiveShare = Field(
        0.15,
        title="Maximum calibration error",
        description="Expected calibration error (0–1) above which a challenger is rejected.",
    )
    max_model_megabytes: float | None = Field(
        None,
        title="Maximum model size",
        description="Megabytes (10⁶ bytes) of the ONNX model above which a challenger is rejected. Empty: no limit.",
        gt=0,
    )
    behavior_margin: ProperShare = Field(
        0.05,
        title="Behavioral test margin",
        description="How far (0–1) the pass rate of the behavioral tests may be below that of the champion.",
    )
    approval: Literal["auto", "when_inconclusive", "always"] = Field(
        "auto",
        title="Manual approval",
        description="`auto`: never; an inconclusive result keeps the champion. `when_inconclusive`: if the gate is "
        "inconclusive. `always`: before every promotion.",
    )
    approval_hours: float = Field(
        24.0,
        title="Approval timeout",
        description="Hours to wait for an answer. Without one, the champion stays.",
        gt=0,
        le=120,
    )
    force_promotion_reason: str | None = Field(
        None,
        title="Force promotion (reason)",
        description="Promote regardless of the gate, and record this reason with your name. Empty: the gate decides.",
        min_length=5,
        max_length=500,
    )


class HardwareConfig(Section):
    """Where training runs. Only the keys of trained models depend on it."""

    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", title="Device", description="`gpu` fails without a GPU, unless 'Allow CPU' is set."
    )
    allow_cpu: bool = Field(
        False, title="Allow CPU", description="Train on the CPU, with a warning, if the requested GPU is missing."
    )
    gpus: int = Field(
        1,
        title="GPUs per training",
        description="GPUs that share each batch of one training. 0: all visible GPUs. Ignored on a CPU. A pool with "
        "one slot per GPU needs 1.",
        ge=0,
        le=64,
    )
    precision: Precision = Field(
        "float32",
        title="Precision",
        description="Data type of the computations in training. Weights, the output layer and saved models are always "
        "float32. The mixed types are for GPUs, where they have not been measured. On a CPU, bfloat16 trained 1.2 "
        "and float16 1.1 times as fast, with 5 % and 18 % fewer reviews per second of CPU time.",
    )
    jit_compile: bool = Field(
        False,
        title="Compile with XLA",
        description="Compile the training step with XLA. It compiles once per batch length and does not use cuDNN. On "
        "a CPU, training was 0.6 times as fast, and compiling took as long as four passes over 16,384 reviews.",
    )
    num_workers: int = Field(
        0, title="Cleaning processes", description="Processes that clean text. 0: one per core.", ge=0, le=256
    )

    @model_validator(mode="after")
    def _xla_on_one_gpu(self) -> Self:
        if self.jit_compile and self.gpus != 1:
            raise ValueError(
                f"XLA (jit_compile) compiles for one device, but 'GPUs per training' (gpus) is {self.gpus}; turn XLA "
                "off, or train on 1 GPU"
            )
        return self

    @model_validator(mode="after")
    def _loss_scale_on_one_gpu(self) -> Self:
        # The loss scale of Keras checks the gradients of the first GPU only; an overflow on another goes unnoticed.
        if self.precision == "mixed_float16" and self.gpus != 1:
            raise ValueError(
                f"mixed_float16 (precision) trains on one device, but 'GPUs per training' (gpus) is {self.gpus}; use "
                "mixed_bfloat16, which needs no loss scale, or train on 1 GPU"
            )
        return self


class VariantConfig(Section):
    """One model to train: one combination of the swept values."""

    direction: Direction
    seed: int
    units: int
    layers: int
    embedding_dim: int
    activation: Activation
    dense_units: int
    dropout: float
    word_pairs: int
    initial_vectors: Literal["text", "random"]
    pooling: Literal["mean_max", "last"]
    linear_part: bool
    word_dropout: float
    pair_dropout: float
    embedding_dropout: float
    dense_dropout: float
    batch_size: int
    learning_rate: float
    schedule: Literal["cosine", "constant"]
    weight_averaging: float
    epochs: int
    patience: int
    restore_best_weights: bool
    padding: Literal["masked", "unmasked"]
    class_weights: Literal["none", "balanced"]
    vectors: str | None
    varied: tuple[str, ...] = ()
    """Fields besides direction and seed of which the sweep has several values."""

    @property
    def name(self) -> str:
        """Unique name within a run: direction, seed and the varied fields (``bi-seed1-units64``)."""
        return "-".join([self.direction, f"seed{self.seed}", *self._varied_names])

    @property
    def title(self) -> str:
        """Name for reports: ``Bidirectional LSTM, seed 1, LSTM units 64``."""
        return ", ".join([self._direction_title, f"seed {self.seed}", *self._varied_titles])

    @property
    def group(self) -> str:
        """Name that variants share if they differ only in their seed (``bi-units64``)."""
        return "-".join([self.direction, *self._varied_names])

    @property
    def group_title(self) -> str:
        """Name of the group for reports: ``Bidirectional LSTM, LSTM units 64``."""
        return ", ".join([self._direction_title, *self._varied_titles])

    @property
    def _direction_title(self) -> str:
        return {"uni": "Unidirectional LSTM", "bi": "Bidirectional LSTM", "none": "Averaged vectors"}[self.direction]

    @property
    def _varied_names(self) -> list[str]:
        return [f"{name}{getattr(self, name)}" for name in self.varied]

    @property
    def _varied_titles(self) -> list[str]:
        return [f"{TrainingConfig.model_fields[name].title} {getattr(self, name)}" for name in self.varied]


class RunConfig(Section):
    """All parameters of a run."""

    profile: ProfileName = Field(
        "default",
        title="Profile",
        description="`default`: recommended. `long_reviews`: for reviews of hundreds of words. `article`: replicates "
        "the article, including its bugs. `demo`: small models for a first run.",
    )
    data: DataConfig = DataConfig()
    dataset: DatasetConfig = DatasetConfig()
    validation: ValidationConfig = ValidationConfig()
    drift: DriftConfig = DriftConfig()
    text: TextConfig = TextConfig()
    split: SplitConfig = SplitConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    encoding: EncodingConfig = EncodingConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()
    promotion: PromotionConfig = PromotionConfig()
    hardware: HardwareConfig = HardwareConfig()

    @model_validator(mode="after")
    def _dropped_words_have_an_id(self) -> Self:
        if self.training.word_dropout and not self.vocabulary.has_unknown_word:
            raise ValueError(
                f"Word dropout (word_dropout) is {self.training.word_dropout}, but this vocabulary has no unknown word "
                "that a dropped word could become; set word_dropout to 0, or min_frequency to 2"
            )
        return self

    @property
    def collects(self) -> bool:
        """Whether the run adds to the batch registry or trains on dumps of earlier batches."""
        return self.dataset.window != "these" or self.dataset.as_of is not None or INBOX_DUMP in self.data.dumps

    @property
    def variants(self) -> tuple[VariantConfig, ...]:
        """The models to train: the Cartesian product of the swept lists, in the order of the fields.

        Without an LSTM, combinations that differ only in the values of the LSTM are one model.
        """
        swept = {name: getattr(self.training, name) for name in _SWEPT}
        fixed = {name: getattr(self.training, name) for name in TrainingConfig.model_fields if name not in _SWEPT}
        varied = tuple(
            name for name, values in swept.items() if name not in {"directions", "seeds"} and len(values) > 1
        )
        variants = []
        for values in product(*swept.values()):
            point = dict(zip(swept, values, strict=True))
            direction, seed = point.pop("directions"), point.pop("seeds")
            unused = _OF_THE_LSTM if direction == "none" else {}
            point_varied = tuple(name for name in varied if name not in unused)
            variants.append(
                VariantConfig(direction=direction, seed=seed, varied=point_varied, **{**point, **fixed, **unused})
            )
        return tuple(dict.fromkeys(variants))

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> RunConfig:
        """Build a configuration from field names without sections, as in a form or on a command line.

        Args:
            values: ``profile`` and any fields; ``None`` selects the value of the profile. The default profile is
                ``demo`` if the demo dump is the only one, and ``default`` otherwise.

        Raises:
            ConfigurationError: A name is unknown or a value is invalid.
        """
        given = {name: value for name, value in values.items() if value is not None}
        only_demo = given.get("dumps", [DEMO_DUMP]) in ([DEMO_DUMP], (DEMO_DUMP,))
        profile = given.pop("profile", "demo" if only_demo else "default")
        if not isinstance(profile, str) or profile not in PROFILES:
            raise ConfigurationError(f"Profile {quoted(profile)} does not exist; choose one of {', '.join(PROFILES)}.")
        section_of = {name: section for section, name, _ in cls.fields()}
        nested: dict[str, dict[str, Any]] = {}
        for name, value in {**PROFILES[profile], **given}.items():
            if name not in section_of:
                close = difflib.get_close_matches(name.replace("-", "_"), section_of, 1)
                hint = f" Did you mean {quoted(close[0])}?" if close else ""
                raise ConfigurationError(
                    f"Parameter {quoted(name)} does not exist.{hint} Choose one of {', '.join(sorted(section_of))}."
                )
            nested.setdefault(section_of[name], {})[name] = value
        try:
            return cls.model_validate({"profile": profile, **nested})
        except ValidationError as error:
            raise ConfigurationError(_validation_text(error)) from error

    @classmethod
    def fields(cls) -> Iterator[tuple[str, str, FieldInfo]]:
        """Yield section name, field name and field of every parameter except ``profile``."""
        for section_name, section in cls.model_fields.items():
            if isinstance(section.annotation, type) and issubclass(section.annotation, Section):
                for name, field in section.annotation.model_fields.items():
                    yield section_name, name, field

    def flat(self) -> dict[str, Any]:
        """Return all parameters by field name as JSON values; the inverse of ``from_flat``."""
        values = self.model_dump(mode="json")
        return {"profile": self.profile} | {name: values[section][name] for section, name, _ in self.fields()}

    def differences(self) -> dict[str, Any]:
        """Return the parameters that differ from the profile."""
        standard = RunConfig.from_flat({"profile": self.profile}).flat()
        return {name: value for name, value in self.flat().items() if value != standard[name]}


PROFILES: dict[str, dict[str, Any]] = {
    "default": {},
    # Reviews of hundreds of words, such as those of movies: more is read, and fewer passes over it are needed.
    "long_reviews": {
        "max_length": 400,
        "pair_dropout": 0.5,
        "embedding_dropout": 0.3,
        "epochs": 2,
    },
    # The values of the article, including its bugs: docs/explanation/replicated_experiment.md.
    "article": {
        "normalization": "article",
        "include_summary": False,
        "strategy": "article",
        "group_by": "nothing",
        "fit_on": "all",
        "summaries_as_texts": False,
        "negation_examples": 0.0,
        "max_vocabulary_size": 0,
        "min_frequency": 1,
        "dropout": (0.0,),
        "word_pairs": 0,
        "initial_vectors": "random",
        "pooling": "last",
        "linear_part": False,
        "word_dropout": 0.0,
        "pair_dropout": 0.0,
        "embedding_dropout": 0.0,
        "dense_dropout": 0.0,
        "schedule": "constant",
        "weight_averaging": 0.0,
        "batch_size": (1024,),
        "learning_rate": 0.001,
        "epochs": 50,
        "patience": 4,
        "restore_best_weights": False,
        "padding": "unmasked",
        "threshold": "half",
        "calibration": "none",
        "min_confidence": 0.5,
    },
    # Small enough for a first run on two cores.
    "demo": {
        "units": (32,),
        "layers": (1,),
        # The demo dump has few reviews: larger batches would take too few steps.
        "batch_size": (32,),
        "epochs": 4,
        "max_vocabulary_size": 5_000,
        "test_size": 0.15,
        "bootstrap_samples": 200,
        # The test split of the demo dump is too small to detect a difference of 0.02.
        "non_inferiority_margin": 0.05,
    },
}
"""The values that differ from the defaults, by profile and field name."""


def read_settings(path: Path) -> dict[str, Any]:
    """Read parameters from a YAML file, for ``RunConfig.from_flat``.

    Raises:
        ConfigurationError: The file cannot be read or does not contain ``name: value`` lines.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} has no `name: value` lines; `review-sentiment config` prints an example.")
    return {str(name): value for name, value in values.items()}


def _validation_text(error: ValidationError) -> str:
    titles = {name: field.title or name for _, name, field in RunConfig.fields()}
    lines = []
    found = error.errors()
    # A list whose items are all wrong is also reported as too short.
    containers = {item["loc"][:-1] for item in found if item["loc"]}
    for item in found:
        if item["type"] == "too_short" and item["loc"] in containers:
            continue
        path = [str(part) for part in item["loc"]]
        name = next((part for part in path if part in titles), None)
        if name is None and item["type"] == "value_error":
            # A validator over several fields names them in its message.
            lines.append(f"{item['msg'].removeprefix('Value error, ')}.")
            continue
        where = f"{titles[name]} ({name})" if name else " / ".join(path) or "The configuration"
        lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}; given: {quoted(item.get('input'))}.")
    return "\n".join(lines)
