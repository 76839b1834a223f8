"""Every knob of the workflow, named once: the trigger form, the command line and the docs come from here.

``RunConfig`` is made of sections, one per group of stages; each field carries its title, its description
with the unit, its bounds and its default (the profile ``default``). Field names are unique over all
sections, so that a flat form or a command line can name them without a prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from pipeline.errors import ConfigurationError, quoted

ProfileName = Literal["default", "article", "demo"]
Direction = Literal["uni", "bi"]
Activation = Literal["tanh", "relu", "sigmoid", "elu", "selu", "gelu"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
PositiveInt = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
DropoutShare = Annotated[float, Field(ge=0, lt=1)]

DEMO_DUMP = "demo"
KAGGLE_DUMP = "kaggle"
INBOX_DUMP = "inbox"


_SWEPT = ("directions", "seeds", "units", "layers", "embedding_dim", "activation", "dropout", "batch_size")
"""The lists of ``TrainingConfig`` whose product the variants are."""


class Section(BaseModel):
    """Base of the sections: frozen, strict about unknown names, with defaults that are checked too."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DataConfig(Section):
    """Which reviews, and how to read them."""

    dumps: tuple[str, ...] = Field(
        (DEMO_DUMP,),
        title="Dumps",
        description="Review dumps: files, folders of shards, http(s):// or s3:// URLs, `inbox` for whatever is new in "
        "the inbox, `kaggle` for the public data set, or `demo` for a generated one. CSV, JSON lines, Parquet, SNAP "
        "text; plain, .gz or .zip.",
        min_length=1,
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        title="Column mapping",
        description="Our column → the dump's column, e.g. `text` → `Review`. Empty: the Kaggle and SNAP names.",
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


class DatasetConfig(Section):
    """Which of the dumps that were taken so far a run trains on."""

    window: Literal["these", "all", "last", "since"] = Field(
        "these",
        title="Train on",
        description="`these`: the dumps named above alone, an experiment that leaves the collection as it is. The "
        "others add them to the collection and train on `all` of it, on the `last` dumps, or on those taken `since` "
        "a day.",
    )
    window_dumps: int = Field(4, title="How many last dumps", description="For the window `last`.", ge=1, le=10_000)
    window_since: date | None = Field(
        None, title="Since which day", description="For the window `since`: dumps taken on this day (UTC) or later."
    )
    as_of: AwareDatetime | None = Field(
        None,
        title="As of",
        description="Train as if it were this moment: on dumps taken until then, and on nothing new. Empty: now.",
    )

    @model_validator(mode="after")
    def _since_needs_a_day(self) -> Self:
        if self.window == "since" and self.window_since is None:
            raise ValueError("The window `since` needs a day: fill in 'Since which day' (window_since)")
        return self


class ValidationConfig(Section):
    """What a dump must fulfil before anything is trained on it."""

    max_bad_row_share: float = Field(
        0.01,
        title="Bad rows allowed",
        description="Largest share of quarantined rows (0–1) with which the run goes on.",
        ge=0,
        le=1,
    )
    min_rows: int = Field(
        200,
        title="Smallest dump",
        description="Rows that a dump must have at least after the row rules; below, no score means anything.",
        ge=1,
    )
    min_class_share: float = Field(
        0.01,
        title="Smallest class",
        description="Least share (0–1) of each of the two classes, negative and positive, among the labeled rows.",
        ge=0,
        le=0.5,
    )


class DriftConfig(Section):
    """How far a dump may lie from what the champion was trained on before it is refused."""

    max_label_shift: float = Field(
        0.25,
        title="Label shift allowed",
        description="Largest change (0–1) of the share of positive reviews against what the champion was trained on; "
        "beyond it the dump is refused. 1: no limit.",
        gt=0,
        le=1,
    )
    max_psi: float | None = Field(
        None,
        title="Drift allowed",
        description="Largest population stability index of any column against what the champion was trained on; "
        "beyond it the dump is refused. Empty: drift only warns.",
        gt=0,
    )


class TextConfig(Section):
    """How review text becomes words."""

    normalization: Literal["default", "article"] = Field(
        "default",
        title="Normalization",
        description="`article`: the article's steps, token for token. `default`: ours, which keeps negations, "
        "numbers-with-units apart and words split at tags whole.",
    )
    include_summary: bool = Field(
        True, title="Read the summary too", description="Put the review's Summary before its Text."
    )
    deduplicate: bool = Field(
        True,
        title="Drop duplicates",
        description="Set aside repeated reviews: same user, profile name, time and text; the first is kept.",
    )


class SplitConfig(Section):
    """How rows are dealt to training, validation and test."""

    strategy: Literal["grouped", "temporal", "article"] = Field(
        "grouped",
        title="Split",
        description="`grouped`: whole products, stratified by label. `temporal`: the newest reviews are the test. "
        "`article`: the tail in ProductId order.",
    )
    group_by: Literal["product", "user", "product_and_user", "nothing"] = Field(
        "product",
        title="Keep together",
        description="What may not stand in two parts (`grouped` only); near-duplicates never do.",
    )
    test_size: float = Field(0.1, title="Test share", description="Share of rows (0–1) for the test.", gt=0, lt=1)
    validation_size: float = Field(
        0.1,
        title="Validation share",
        description="Share (0–1) of the rows that are not test, for early stopping and thresholds.",
        gt=0,
        lt=1,
    )
    near_duplicate_threshold: float = Field(
        0.8,
        title="Near-duplicate similarity",
        description="Jaccard similarity (0–1) of three-word shingles from which two texts count as copies.",
        gt=0,
        le=1,
    )
    split_seed: int = Field(13, title="Split seed", description="Deals the groups.", ge=0, lt=2**31)

    @model_validator(mode="after")
    def _something_left_to_train(self) -> Self:
        if self.test_size + self.validation_size >= 1:
            raise ValueError(
                f"Test share ({self.test_size}) + validation share ({self.validation_size}) leave nothing to "
                "train on; make them add up to less than 1"
            )
        return self


class VocabularyConfig(Section):
    """Which words the model may know."""

    fit_on: Literal["train", "all"] = Field(
        "train",
        title="Count words in",
        description="`train`: training rows only. `all`: every row, as the article did, which is a (small) leak.",
    )
    max_vocabulary_size: int = Field(
        30_000, title="Vocabulary size", description="Most frequent words to keep. 0: all.", ge=0
    )
    min_frequency: int = Field(2, title="Least count", description="Occurrences a word needs to be kept.", ge=1)


class EncodingConfig(Section):
    """How words become sequences of word ids."""

    max_length: int = Field(
        150, title="Longest sequence", description="Words of a review that the model reads.", ge=1, le=10_000
    )
    keep: Literal["last", "first"] = Field(
        "last", title="Keep which words", description="End of a review that survives truncation."
    )


class TrainingConfig(Section):
    """The models and how they are fitted. Every list is swept: the variants are their product."""

    directions: tuple[Direction, ...] = Field(
        ("uni", "bi"), title="Directions", description="Uni- and/or bi-directional LSTMs.", min_length=1
    )
    seeds: tuple[Seed, ...] = Field(
        (1,), title="Seeds", description="One training per seed: the spread between seeds is noise.", min_length=1
    )
    units: tuple[PositiveInt, ...] = Field(
        (128,), title="LSTM units", description="Width of each LSTM layer, per direction.", min_length=1
    )
    layers: tuple[PositiveInt, ...] = Field((2,), title="LSTM layers", description="Stacked layers.", min_length=1)
    embedding_dim: tuple[PositiveInt, ...] = Field(
        (32,), title="Embedding size", description="Dimensions of a word's vector.", min_length=1
    )
    activation: tuple[Activation, ...] = Field(
        ("relu",), title="Activation", description="Of the dense layer under the output.", min_length=1
    )
    dense_units: int = Field(32, title="Dense units", description="Width of that dense layer.", ge=1)
    dropout: tuple[DropoutShare, ...] = Field(
        (0.2,), title="Dropout", description="Share (0–1) of activations dropped while training.", min_length=1
    )
    batch_size: tuple[PositiveInt, ...] = Field(
        (128,), title="Batch size", description="Reviews per optimizer step.", min_length=1
    )
    learning_rate: float = Field(0.001, title="Learning rate", description="Of Adam.", gt=0, lt=1)
    epochs: int = Field(8, title="Epochs", description="At most this many passes over the training rows.", ge=1)
    patience: int = Field(
        2, title="Patience", description="Epochs without a lower validation loss before training stops.", ge=1
    )
    restore_best_weights: bool = Field(
        True, title="Restore the best epoch", description="End with the weights of the lowest validation loss."
    )
    padding: Literal["masked", "unmasked"] = Field(
        "masked",
        title="Padding",
        description="`masked`: the LSTM sees the review only. `unmasked`: every row filled to the longest sequence "
        "and read to the end, the article's bug.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", title="Class weights", description="`balanced`: the rare class weighs as much as the frequent one."
    )
    vectors: str | None = Field(
        None,
        title="Pre-trained vectors",
        description="GloVe or word2vec text file that starts the embedding. Empty: learned from nothing.",
    )

    @model_validator(mode="after")
    def _no_variant_twice(self) -> Self:
        for name in _SWEPT:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                title = type(self).model_fields[name].title
                raise ValueError(
                    f"{title} ({name}) names a value twice: {', '.join(map(str, values))}; every variant is trained "
                    "once"
                )
        return self


class EvaluationConfig(Section):
    """How a model is judged."""

    threshold: Literal["balanced_accuracy", "negative_recall", "half"] = Field(
        "balanced_accuracy",
        title="Threshold",
        description="Probability from which a review counts as positive, chosen on the validation part: "
        "`balanced_accuracy` for its best value, `negative_recall` so that the share below of the negative reviews is "
        "found, or `half` for 0.5.",
    )
    negative_recall_goal: float = Field(
        0.9,
        title="Negative reviews to find",
        description="Share (0–1) of the negative reviews that the threshold `negative_recall` must find on the "
        "validation part.",
        gt=0,
        lt=1,
    )
    bootstrap_samples: int = Field(
        1000, title="Bootstrap samples", description="Resamples behind each interval.", ge=100, le=100_000
    )


class PromotionConfig(Section):
    """When a challenger takes the champion's place. ``docs/explanation/promotion.md`` explains each rule."""

    metric: Literal["balanced_accuracy", "accuracy", "negative_recall"] = Field(
        "balanced_accuracy", title="Decided by", description="Figure by which challenger and champion are compared."
    )
    non_inferiority_margin: float = Field(
        0.02,
        title="Margin below the champion",
        description="How far (0–1) the interval of the difference to the champion may reach below zero.",
        gt=0,
        lt=0.5,
    )
    required_improvement: float = Field(
        0.0,
        title="Improvement asked for",
        description="By how much (0–1) the challenger must lie above the champion; a tie keeps the champion.",
        ge=0,
        lt=0.5,
    )
    baseline_margin: float = Field(
        0.05,
        title="Margin below TF-IDF",
        description="How far (0–1) a model may stay below TF-IDF with logistic regression.",
        ge=0,
        lt=0.5,
    )
    slice_margin: float = Field(
        0.05,
        title="Margin of a slice",
        description="How far (0–1) below the champion the challenger may be shown to lie on any kind of reviews.",
        gt=0,
        lt=0.5,
    )
    slice_rows: int = Field(
        200, title="Smallest slice", description="Rows from which a kind of reviews is looked at.", ge=20
    )
    max_calibration_error: float = Field(
        0.15,
        title="Calibration error allowed",
        description="Largest expected calibration error (0–1) of a challenger.",
        gt=0,
        le=1,
    )
    behavior_margin: float = Field(
        0.05,
        title="Margin of the behavior tests",
        description="How far (0–1) the share of behavior tests passed may fall below the champion's.",
        gt=0,
        lt=1,
    )
    approval: Literal["auto", "when_inconclusive", "always"] = Field(
        "auto",
        title="A person decides",
        description="`auto`: never, a doubt keeps the champion. `when_inconclusive`: where the gate cannot tell. "
        "`always`: "
        "before every promotion.",
    )
    approval_hours: float = Field(
        24.0,
        title="Hours to decide",
        description="After so many hours without an answer the champion stays.",
        gt=0,
        le=120,
    )
    force_promotion_reason: str | None = Field(
        None,
        title="Promote whatever the gate says, because",
        description="A reason, which is recorded with your name. Empty: the gate decides.",
        min_length=5,
        max_length=500,
    )


class HardwareConfig(Section):
    """Where training runs. Not part of any artifact's key but the trained models'."""

    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", title="Device", description="`gpu` fails where there is none, unless the CPU is allowed."
    )
    allow_cpu: bool = Field(
        False, title="Allow CPU", description="Let a run that asked for a GPU train on the CPU, with a warning."
    )
    gpus: int = Field(
        1,
        title="GPUs per training",
        description="GPUs that share each batch of one training. 0: every GPU that the task sees. Without meaning on a "
        "CPU. A pool with one slot per GPU counts on 1.",
        ge=0,
        le=64,
    )
    precision: Precision = Field(
        "float32",
        title="Precision",
        description="What the layers compute in while training; weights, the output layer and saved models are always "
        "float32. The mixed ones are for a GPU, where nobody has measured them yet; on a CPU they trained 1.2 "
        "(bfloat16) and 1.1 times as fast by the clock, for 5 % and 18 % fewer reviews per second of processor time.",
    )
    jit_compile: bool = Field(
        False,
        title="Compile with XLA",
        description="Let XLA compile the training step. It compiles anew for every length of a batch and gives up "
        "cuDNN; on a CPU it trained 0.6 times as fast, after compiling for as long as four passes over 16,384 reviews.",
    )
    num_workers: int = Field(
        0, title="Text processes", description="Processes that clean text. 0: one per core.", ge=0, le=256
    )

    @model_validator(mode="after")
    def _xla_on_one_gpu(self) -> Self:
        if self.jit_compile and self.gpus != 1:
            raise ValueError(
                f"XLA (jit_compile) compiles for one device, but 'GPUs per training' (gpus) is {self.gpus}; switch "
                "XLA off, or train on 1 GPU"
            )
        return self

    @model_validator(mode="after")
    def _loss_scale_on_one_gpu(self) -> Self:
        # Keras's loss scale looks at the first GPU's gradients alone: what overflows on another stays in the weights.
        if self.precision == "mixed_float16" and self.gpus != 1:
            raise ValueError(
                f"mixed_float16 (precision) trains on one device, but 'GPUs per training' (gpus) is {self.gpus}; take "
                "mixed_bfloat16, which needs no loss scale, or train on 1 GPU"
            )
        return self


class VariantConfig(Section):
    """One model to train: a single point of the sweep."""

    direction: Direction
    seed: int
    units: int
    layers: int
    embedding_dim: int
    activation: Activation
    dense_units: int
    dropout: float
    batch_size: int
    learning_rate: float
    epochs: int
    patience: int
    restore_best_weights: bool
    padding: Literal["masked", "unmasked"]
    class_weights: Literal["none", "balanced"]
    vectors: str | None
    name: str
    """Readable and unique in its run: direction, seed, and what the sweep varies (``bi-seed1-units64``)."""

    @property
    def title(self) -> str:
        """The variant in words, for people."""
        direction = {"uni": "Unidirectional", "bi": "Bidirectional"}[self.direction]
        varied = [part for part in self.name.split("-")[2:] if part]
        return ", ".join([f"{direction} LSTM", f"seed {self.seed}", *varied])


class RunConfig(Section):
    """Everything that a run can be told."""

    profile: ProfileName = Field(
        "default",
        title="Profile",
        description="`default`: what we recommend. `article`: reproduces the article, bugs included. "
        "`demo`: small models for a first look.",
    )
    data: DataConfig = DataConfig()
    collection: DatasetConfig = DatasetConfig()
    validation: ValidationConfig = ValidationConfig()
    drift: DriftConfig = DriftConfig()
    text: TextConfig = TextConfig()
    split: SplitConfig = SplitConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    encoding: EncodingConfig = EncodingConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    promotion: PromotionConfig = PromotionConfig()
    hardware: HardwareConfig = HardwareConfig()

    @property
    def collects(self) -> bool:
        """Whether the run works with the collection: adds to it, or trains on more of it than its own dumps."""
        asked = self.collection.window != "these" or self.collection.as_of is not None
        return asked or INBOX_DUMP in self.data.dumps

    @property
    def variants(self) -> tuple[VariantConfig, ...]:
        """The models to train, in the order of the fields: the product of every swept list."""
        swept = {name: getattr(self.training, name) for name in _SWEPT}
        fixed = {name: getattr(self.training, name) for name in TrainingConfig.model_fields if name not in _SWEPT}
        variants = []
        for values in product(*swept.values()):
            point = dict(zip(swept, values, strict=True))
            direction, seed = point.pop("directions"), point.pop("seeds")
            varied = [f"{name}{point[name]}" for name in point if len(swept[name]) > 1]
            name = "-".join([direction, f"seed{seed}", *varied])
            variants.append(VariantConfig(direction=direction, seed=seed, name=name, **point, **fixed))
        return tuple(variants)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> RunConfig:
        """Build a configuration from field names without sections, as forms and command lines give them.

        Args:
            values: ``profile`` and any fields; ``None`` means "as the profile says". Without a profile, the demo
                dump alone takes ``demo`` and everything else ``default``.

        Raises:
            ConfigurationError: A name is unknown or a value does not fit; the message says the field's title,
                what was given and what is expected.
        """
        given = {name: value for name, value in values.items() if value is not None}
        only_demo = given.get("dumps", [DEMO_DUMP]) in ([DEMO_DUMP], (DEMO_DUMP,))
        profile = given.pop("profile", "demo" if only_demo else "default")
        if not isinstance(profile, str) or profile not in PROFILES:
            raise ConfigurationError(f"Profile {quoted(profile)} does not exist; choose one of {', '.join(PROFILES)}.")
        homes = {name: section for section, name, _ in cls.fields()}
        nested: dict[str, dict[str, Any]] = {}
        for name, value in {**PROFILES[profile], **given}.items():
            if name not in homes:
                raise ConfigurationError(
                    f"There is no parameter {quoted(name)}. Known are: {', '.join(sorted(homes))}."
                )
            nested.setdefault(homes[name], {})[name] = value
        try:
            return cls.model_validate({"profile": profile, **nested})
        except ValidationError as error:
            raise ConfigurationError(_in_words(error)) from error

    @classmethod
    def fields(cls) -> Iterator[tuple[str, str, FieldInfo]]:
        """Yield section name, field name and field of every knob but ``profile``, in reading order."""
        for section_name, section in cls.model_fields.items():
            if isinstance(section.annotation, type) and issubclass(section.annotation, Section):
                for name, field in section.annotation.model_fields.items():
                    yield section_name, name, field

    def flat(self) -> dict[str, Any]:
        """Return every knob by its field name, as JSON values; ``from_flat`` takes it back."""
        values = self.model_dump(mode="json")
        return {"profile": self.profile} | {name: values[section][name] for section, name, _ in self.fields()}

    def differences(self) -> dict[str, Any]:
        """Return the knobs that differ from this configuration's own profile."""
        standard = RunConfig.from_flat({"profile": self.profile}).flat()
        return {name: value for name, value in self.flat().items() if value != standard[name]}


PROFILES: dict[str, dict[str, Any]] = {
    "default": {},
    # The experiment of docs/explanation/replicated_experiment.md: each value is the article's own, its faults included.
    "article": {
        "normalization": "article",
        "include_summary": False,
        "strategy": "article",
        "group_by": "nothing",
        "fit_on": "all",
        "max_vocabulary_size": 0,
        "min_frequency": 1,
        "dropout": (0.0,),
        "batch_size": (1024,),
        "learning_rate": 0.001,
        "epochs": 50,
        "patience": 4,
        "restore_best_weights": False,
        "padding": "unmasked",
        "threshold": "half",
    },
    # Everything real, but small enough for a first look on two cores.
    "demo": {
        "units": (32,),
        "layers": (1,),
        "epochs": 4,
        "max_vocabulary_size": 5_000,
        "test_size": 0.15,
        "bootstrap_samples": 200,
        # The demo dump's test part is too small to tell two points.
        "non_inferiority_margin": 0.05,
    },
}
"""What each profile changes of the defaults, by field name."""


def read_settings(path: Path) -> dict[str, Any]:
    """Return the parameters of a YAML file, by name, as ``RunConfig.from_flat`` takes them.

    Raises:
        ConfigurationError: It cannot be read, or holds no such lines.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} holds no `name: value` lines; `python -m pipeline config` prints an example.")
    return {str(name): value for name, value in values.items()}


def _in_words(error: ValidationError) -> str:
    titles = {name: field.title or name for _, name, field in RunConfig.fields()}
    lines = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        name = next((part for part in path if part in titles), None)
        if name is None and item["type"] == "value_error":
            # A rule over several fields names them itself.
            lines.append(f"{item['msg'].removeprefix('Value error, ')}.")
            continue
        where = f"{titles[name]} ({name})" if name else " / ".join(path) or "The configuration"
        lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}; given: {quoted(item.get('input'))}.")
    return "\n".join(lines)
