"""The public data set, through Kaggle's own client."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import SourceError, SourceUnavailableError, shown
from pipeline.ingest.staging import FoundFile

DATA_SET = "snap/amazon-fine-food-reviews"
FILE = "Reviews.csv"
_BY_HAND = (
    f"Download {FILE} from https://www.kaggle.com/datasets/{DATA_SET} with a browser and give its path as the dump, "
    "or use the dump 'demo' for a first look"
)


def fetch_kaggle() -> FoundFile:
    """Return Amazon Fine Food Reviews from Kaggle, downloaded once into its client's cache.

    No account is needed; where credentials are set (KAGGLE_USERNAME and KAGGLE_KEY, or kaggle.json) the client uses
    them.

    Raises:
        SourceError: Kaggle cannot be reached or the data set has changed; the message says how to go on by hand.
    """
    try:
        import kagglehub

        folder = Path(kagglehub.dataset_download(DATA_SET))
    except Exception as error:  # noqa: BLE001 - its errors share no base but Exception
        raise SourceUnavailableError(
            f"The data set {DATA_SET} could not be had from Kaggle ({type(error).__name__}: "
            f"{shown(error, 160)}). {_BY_HAND}."
        ) from None
    path = folder / FILE
    if not path.is_file():
        found = ", ".join(shown(entry.name, 40) for entry in sorted(folder.glob("*"))[:10]) or "nothing"
        raise SourceError(f"Kaggle's data set {DATA_SET} holds no {FILE}; it holds {found}. {_BY_HAND}.")
    return FoundFile(path, FILE, f"kaggle:{DATA_SET}/{FILE}")
