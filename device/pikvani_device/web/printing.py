"""The slip of an answer, printed at the kiosk: the same words as on the page, every sentence with its source."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from functools import cache

from flask import Blueprint, abort, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_device.diagnosis.result import Diagnosis
from pikvani_device.errors import DeviceError
from pikvani_device.ports import SoilReading
from pikvani_device.slip import Lettering, Line, draw
from pikvani_device.web.advising import HELPLINE, Told, advice_for, referral_for, title_of
from pikvani_device.web.answering import how_sure
from pikvani_device.web.catalogue import date, say
from pikvani_device.web.desk import Desk, channel, to_start
from pikvani_device.web.names import condition_name

log = logging.getLogger(__name__)

PATIENCE_S = 3.0
"""How long the page waits for a printer that fails; a slow one that works goes on by itself."""
_SMALL, _LARGE = 26, 44


def slip_lines(said: Diagnosis, told: Told | None, soil: SoilReading | None, day: datetime, locale: str) -> list[Line]:
    """What is printed of an answer.

    Args:
        said: the answer.
        told: advice on it, None for none.
        soil: what the probe said then, None for nothing.
        day: of the slip.
        locale: its language.
    """
    lines = [Line(say("title", locale), _LARGE), Line(date(day.date(), locale), _SMALL)]
    if said.decision == "answer":
        lines += [
            Line(condition_name(said.condition, locale), _LARGE, 14),
            Line(say(how_sure(said.confidence), locale)),
        ]
    else:
        title = say(title_of(said), locale)
        lines += [Line(title, _LARGE, 14), Line(say(said.reason, locale))]
    for stage in told.stages if told else ():
        lines.append(Line(say(f"stage.{stage}", locale), _LARGE, 16))
        for sentence in told.of(stage) if told else []:
            source = f"{sentence.source}, {sentence.page}" if sentence.page else sentence.source
            reviewed = "" if sentence.reviewed else f"; {say('not_reviewed', locale)}"
            lines += [Line(f"• {sentence.text}"), Line(f"({source}{reviewed})", _SMALL, 0)]
    if soil is not None:
        lines.append(Line(soil_text(soil, locale), _SMALL, 14))
    return [*lines, Line(referral_for(said.decision, locale), gap=16), Line(HELPLINE, _LARGE)]


def soil_text(soil: SoilReading, locale: str) -> str:
    """A reading in words."""
    return say("soil_line", locale, moisture=soil.moisture_percent, temperature=soil.temperature_c, ec=soil.ec_us_cm)


@cache
def lettering() -> Lettering:
    """The letters of all slips; a font that is missing is asked for again."""
    return Lettering()


def blueprint(desk: Desk) -> Blueprint:
    """Printing."""
    printing = Blueprint("printing", __name__)

    @printing.post("/answer/slip")
    def slip() -> AnyResponse:
        visit = desk.visit()
        if visit is None or visit.given is None:
            return to_start()
        if not has_printer(desk):
            abort(404)
        device, said, locale = desk.device, visit.given.diagnosis, desk.locale()
        day = datetime.fromtimestamp(device.clock.now().wall_ms / 1000, UTC)
        lines = slip_lines(said, advice_for(desk, said, locale), device.instruments.latest("soil"), day, locale)
        failed: list[str] = []

        def work() -> None:
            try:
                device.instruments.print(draw(lines, device.config.printer.width_dots, lettering()))
            except DeviceError as error:
                log.warning("a slip was not printed: %s", error)
                failed.append(str(error))

        if device.instruments.printing:
            visit.told = "busy"
        else:
            worker = threading.Thread(target=work, name="slip", daemon=True)
            worker.start()
            worker.join(PATIENCE_S)
            visit.told = "printer_gone" if failed else "slip_printed"
        return redirect(url_for("answering.take"), 303)

    return printing


def has_printer(desk: Desk) -> bool:
    """Whether this browser stands before a printer of slips."""
    return channel() == "kiosk" and desk.device.config.printer.adapter != "none"
