"""Puts a page together: its template, what it says aloud, and where back leads."""

from __future__ import annotations

from collections.abc import Sequence

from flask import render_template

from pikvani_device.web.catalogue import strings
from pikvani_device.web.desk import Desk, channel
from pikvani_device.web.sounds import speech_path
from pikvani_device.web.visits import TIMEOUT_S

LISTENS_IN = ("mr-IN", "hi-IN")
"""Languages the device understands when spoken to."""


def page(
    desk: Desk,
    template: str,
    speak: Sequence[str],
    back: str = "",
    listens: str = "",
    locale: str = "",
    **values: object,
) -> str:
    """One page.

    Args:
        desk: what the pages share.
        template: file name.
        speak: ids of the sentences the page says when it opens and when its sound button is touched.
        back: address of the page before; empty for none.
        listens: what a voice note on this page may answer: `crop`, `symptoms`, `answer`; empty for nothing.
        locale: of the page; of the visit if left out.
        **values: what the template wants.
    """
    visit = desk.visit()
    locale = locale or desk.locale()
    told = visit.tell_once() if visit else ""
    if told and told in strings(locale):
        speak = [told, *speak]
    return render_template(
        template,
        locale=locale,
        visit=visit,
        kind=template.partition(".")[0],
        urging="touch-first" if visit and visit.misses >= 2 else "",
        told=told,
        speech=speech_path(locale, list(speak)) if speak else "",
        back=back,
        listens=listens if locale in LISTENS_IN else "",
        channel=channel(),
        timeout_s=round(TIMEOUT_S[channel()]) if visit else 0,
        **values,
    )
