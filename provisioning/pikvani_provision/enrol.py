"""`pikvani-provision enrol`: carries requests to the centre and answers back, on sticks and as QR codes."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from pikvani_contract import enrolment
from pikvani_contract.enrolment import REASONS, Answer, Request
from pikvani_provision.carrying import Carried, Queue, carry
from pikvani_provision.errors import ProvisionError, RefusedError

_MAX_TEXT = 64 * 1024


@click.command()
@click.option("--requests", "stick", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The stick.")
@click.option("--centre", "url", default="", help="https address where devices enrol; left out, nothing is sent.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="PEM of the centre's root.")
@click.option(
    "--offline-queue",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where requests wait for a link, and answers for their stick.",
)
@click.option("--text", help="The request of one QR code as text; `-` reads standard input, as a scanner types it.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="With --text: draw the answer's QR here.")
@click.option("--with-chain", is_flag=True, help="With --text: for a card that does not know its district's authority.")
def enrol(
    stick: Path | None, url: str, ca: Path | None, folder: Path, text: str | None, svg: Path | None, with_chain: bool
) -> None:
    """Take requests, bring them to the centre when it can be reached, give the answers back. Run it any time again."""
    queue = Queue(folder)
    if text is not None:
        _one(queue, sys.stdin.read(_MAX_TEXT) if text == "-" else text, url, ca, svg, with_chain)
        return
    done = carry(queue, stick, url, ca)
    _tell(done)
    if any(done.answered.values()) or done.unreadable:
        sys.exit(1)


def _tell(done: Carried) -> None:
    for device in done.taken:
        click.echo(f"{device}: request taken")
    for device, reason in done.answered.items():
        click.echo(f"{device}: refused: {reason}: {REASONS.get(reason, '')}" if reason else f"{device}: certified")
    for path in done.delivered:
        click.echo(f"{path}: answer written; put the stick back into its device")
    for name, why in done.unreadable.items():
        click.echo(f"{name}: {why}", err=True)
    if done.waiting:
        click.echo(f"{done.waiting} wait for the centre: run this again where there is internet")


def _one(queue: Queue, text: str, url: str, ca: Path | None, svg: Path | None, with_chain: bool) -> None:
    request = enrolment.from_text(text, Request)
    queue.put(request)
    done = carry(queue, None, url, ca)
    for name, why in done.unreadable.items():
        click.echo(f"{name}: {why}", err=True)
    answer = queue.answer(request)
    if answer is None:
        raise ProvisionError(f"{request.device}: queued; run the same again where there is internet")
    _show(answer, svg, with_chain)
    if answer.reason:
        raise RefusedError(f"{request.device}: refused: {answer.reason}: {REASONS.get(answer.reason, '')}")


def _show(answer: Answer, svg: Path | None, with_chain: bool) -> None:
    import segno

    # The card knows its district's authority, and a code of half the size is read at arm's length.
    short = answer if with_chain else msgspec.structs.replace(answer, chain=[])
    text = enrolment.as_text(short)
    code = segno.make(text, error="l", micro=False, boost_error=False)
    if svg is not None:
        code.save(str(svg), scale=6, border=4)
        click.echo(str(svg))
    elif sys.stdout.isatty():
        code.terminal(compact=True)
    click.echo(text)
