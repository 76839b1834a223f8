"""A small stage to put artifacts into a store."""

from __future__ import annotations

from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, RowAccount, Stage, Workspace


class Figure(Record):
    """A stage's figures in these tests."""

    value: int


class Question(Record):
    """What the stage is asked."""

    number: int = 1


def produce(
    store: ArtifactStore, number: int = 1, version: int = 1, built: list[int] | None = None
) -> ArtifactReference:
    def build(work: Workspace) -> Outcome:
        if built is not None:
            built.append(number)
        (work.folder / "sub").mkdir()
        (work.folder / "sub" / "numbers.txt").write_text(str(number))
        return Outcome(Figure(value=number), RowAccount(rows_in=3, kept=2, excluded={"odd": 1}))

    return store.produce(Stage("double", version), inputs={}, params=Question(number=number), build=build)
