"""Runs of the pipeline in MLflow's local store: parameters, progress and results, so that two runs can be compared.

The store is one SQLite file, `models/runs/mlflow.db`, or the one `PIKVANI_MLFLOW_DB` names. Nothing is sent anywhere.
Look at it with `mlflow ui --backend-store-uri sqlite:///models/runs/mlflow.db` (the `mlflow` package has the pages).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RUN_FILE = "mlflow_run"


class Run:
    """One run in the store."""

    def __init__(self, mlflow: Any) -> None:
        self._mlflow = mlflow

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers along the way.

        Args:
            step: of the run, growing.
            values: name to number.
        """
        self._mlflow.log_metrics({name: float(value) for name, value in values.items()}, step=step)

    def results(self, values: Mapping[str, float]) -> None:
        """Numbers at the end. Names may hold letters, digits, `_ - . / :` and spaces."""
        self._mlflow.log_metrics({name: float(value) for name, value in values.items()})

    def note(self, name: str, value: str) -> None:
        """A tag."""
        self._mlflow.set_tag(name, value)


def store_path() -> Path:
    """The store's file."""
    return Path(os.environ.get("PIKVANI_MLFLOW_DB", "models/runs/mlflow.db")).absolute()


@contextmanager
def tracked(experiment: str, folder: Path, parameters: Mapping[str, object]) -> Iterator[Run]:
    """A run that `folder` belongs to: a second start for the same folder goes on in the same run.

    Args:
        experiment: what is tried, such as `leaf` or `speech`.
        folder: of checkpoints; it remembers the run's id.
        parameters: logged once, when the run is new.

    Raises:
        ImportError: `mlflow-skinny`, `sqlalchemy` or `alembic` is not installed.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    import mlflow
    import sqlalchemy  # noqa: F401  # MLflow's own message would name neither of the two

    path = store_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    mlflow.set_experiment(experiment)
    folder.mkdir(parents=True, exist_ok=True)
    remembered = folder / RUN_FILE
    known = remembered.read_text("utf-8").strip() if remembered.exists() else None
    if known is not None and not _is_there(mlflow, known):
        known = None
    with mlflow.start_run(run_id=known, run_name=None if known else folder.name) as run:
        if known is None:
            mlflow.log_params(dict(parameters))
            remembered.write_text(run.info.run_id + "\n", "utf-8")
        yield Run(mlflow)


def _is_there(mlflow: Any, run_id: str) -> bool:
    """Whether this store has the run; the folder may have come from another machine."""
    try:
        mlflow.get_run(run_id)
    except mlflow.exceptions.MlflowException:
        return False
    return True
