"""Commands that judge a speech package: notes and words for it to hear, its judges, and what it heard as figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TextIO

import click

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.phones import Language
from pikvani_models.speech.cli import LANGUAGES, own_words

_FOLDER = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True)
_MISSING = "{} is not installed: see models/README.md"


@click.command("say-notes")
@click.option("--vocabulary", type=_FILE, required=True, help="CSV: id, slot, hi, mr.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), required=True)
@click.option("--engine", type=click.Choice(["kokoro", "espeak", "festival"]), required=True)
@click.option("--part", type=click.Choice(["fit", "judge"]), required=True, help="Judge: sentences, voices kept back.")
@click.option("--own", "count", type=int, default=200, show_default=True, help="Notes of our own words.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=_FOLDER, required=True, help="Folder of clips; more are added to what it holds.")
def say_notes(vocabulary: Path, lang: Language, engine: str, part: str, count: int, seed: int, out: Path) -> None:
    """Notes of our own words, and speech that must be turned away, spoilt as on a bad day."""
    import numpy as np

    try:
        from pikvani_models.speech import notes
    except ImportError as error:
        raise click.ClickException(_MISSING.format(error.name)) from error
    rng = np.random.default_rng(seed)
    made = notes.own(vocabulary, lang, count, rng) + notes.running(lang, part)  # type: ignore[arg-type]
    rng.shuffle(made)  # type: ignore[arg-type]
    clips = notes.say_notes(made, lang, engine, part, out, seed)  # type: ignore[arg-type]
    notes.write_lists(vocabulary, lang, out)
    click.echo(f"{out}: {clips} clips more")


@click.command("fit-judge")
@click.option("--kind", type=click.Choice(["sentence", "phrase"]), required=True, help="Which judge.")
@click.option("--heard", type=(_FILE, _FILE), multiple=True, required=True, help="`listen --figures`, said.jsonl.")
@click.option("--listed", type=_FILE, multiple=True, help="For `phrase`: the list each was held to, in order.")
@click.option("--package", type=_FILE, default=Path("models/packages/speech"), show_default=True)
@click.option("--version", required=True, help="Of the package with the new judge.")
@click.option("--out", type=_FOLDER, required=True, help="Package folder to write; may be that of --package.")
def fit_judge(
    kind: str, heard: Sequence[tuple[Path, Path]], listed: Sequence[Path], package: Path, version: str, out: Path
) -> None:
    """Fit when an answer is believed, on notes of `say-notes`, and write it into a package."""
    from pikvani_models.speech.rejection import fit_judge as run
    from pikvani_models.speech.rejection import rates, with_judge

    try:
        clips = _weighed(kind, heard, listed)
        judge = run(clips)
        with_judge(package, kind, judge, version, out)
    except (PackageError, ValueError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(rates(judge, clips)))


@click.command("score-judge")
@click.option("--kind", type=click.Choice(["sentence", "phrase"]), required=True, help="Which judge.")
@click.option("--heard", type=(_FILE, _FILE), multiple=True, required=True, help="`listen --figures`, said.jsonl.")
@click.option("--listed", type=_FILE, multiple=True, help="For `phrase`: the list each was held to, in order.")
@click.option("--package", type=_FILE, default=Path("models/packages/speech"), show_default=True)
def score_judge(kind: str, heard: Sequence[tuple[Path, Path]], listed: Sequence[Path], package: Path) -> None:
    """How a package's judge does on notes that were heard."""
    from pikvani_contract.speech.package import load_speech_package
    from pikvani_models.speech.rejection import rates

    try:
        clips = _weighed(kind, heard, listed)
        rejection = load_speech_package(package).manifest.rejection
    except (PackageError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    judge = rejection.phrase if kind == "phrase" else rejection.sentence
    if judge is None:
        raise click.ClickException(f"{package} has no judge of {kind}s: fit one with fit-judge")
    click.echo(json.dumps(rates(judge, clips)))


def _weighed(kind: str, heard: Sequence[tuple[Path, Path]], listed: Sequence[Path]):  # type: ignore[no-untyped-def]
    from pikvani_models.speech.rejection import weighed

    if len(listed) != (len(heard) if kind == "phrase" else 0):
        raise ValueError("give --listed once for each --heard of a phrase judge, and never for a sentence judge")
    lists = [path.read_text("utf-8").split("\n") for path in listed] or [None] * len(heard)
    return [
        clip
        for (lines, said), phrases in zip(heard, lists, strict=True)
        for clip in weighed(lines.read_text("utf-8").splitlines(), said, phrases)
    ]


@click.command("say-unseen")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), required=True)
@click.option("--terms", type=_FILE, multiple=True, required=True, help="The product's words: CSV, columns hi and mr.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=_FOLDER, required=True)
def say_unseen(lang: Language, terms: Sequence[Path], seed: int, out: Path) -> None:
    """Words that stand in no training text, by voices no training clip was made with."""
    from pikvani_models.speech.unseen import say_words, seen, unseen_words

    try:
        from pikvani_models.speech.corpus import dictionary, is_held_out

        words = unseen_words(lang)
        training = [word for word in dictionary(lang) if not is_held_out(word)]
        own = [word for path in terms for word in own_words(path, None)[lang]]
        if known := seen(words, training, own):
            raise click.ClickException(f"training text may hold {', '.join(known)}: take them out of texts/unseen.csv")
        clips = say_words(words, lang, out, seed)
    except ImportError as error:
        raise click.ClickException(_MISSING.format(error.name)) from error
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {clips} clips of {len(words)} words, none of them among {len(training)} words of training text")


@click.command("score-words")
@click.option("--expected", type=click.File(encoding="utf-8"), required=True, help="expected.json of say-unseen.")
@click.option("--heard", type=click.File(encoding="utf-8"), required=True, help="JSON lines of `listen --phrases`.")
def score_words(expected: TextIO, heard: TextIO) -> None:
    """How many words of a closed list were heard right."""
    from pikvani_models.speech.unseen import words_right

    click.echo(json.dumps(words_right(json.load(expected), heard), ensure_ascii=False))


@click.command("record-score")
@click.option("--package", type=_FILE, default=Path("models/packages/speech"), show_default=True)
@click.option("--name", required=True, help="What was measured; a figure of the same name is replaced.")
@click.option("--kind", type=click.Choice(["real", "synthetic"]), required=True, help="Of speech.")
@click.option("--clips", type=int, required=True)
@click.option("--right", type=click.FloatRange(0, 1), required=True, help="Share of them.")
def record_score(package: Path, name: str, kind: Literal["real", "synthetic"], clips: int, right: float) -> None:
    """Keep a figure another command measured in a package, and write its card anew."""
    from pikvani_models.speech.card import record

    try:
        record(package, name, kind, clips, right)
    except PackageError as error:
        raise click.ClickException(str(error)) from error


COMMANDS = (say_notes, fit_judge, score_judge, say_unseen, score_words, record_score)
"""What `pikvani-models` takes in."""
