"""`pikvani-provision handover`: one page that stays with the village: the device, its use, whom to call."""

from __future__ import annotations

import json
import time
from html import escape
from pathlib import Path

import click

from pikvani_provision.checking.around import Around
from pikvani_provision.checking.words import LOCALES, PARTS, VERDICTS, pick
from pikvani_provision.errors import ProvisionError

WORDS: dict[str, tuple[str, str, str]] = {
    "title": (
        "पीकवाणी: यंत्राचे पान",
        "पीकवाणी: यंत्र का पन्ना",
        "Pikvani: the device's sheet",
    ),
    "device": ("यंत्र", "यंत्र", "Device"),
    "village": ("गाव", "गाँव", "Village"),
    "keeper": ("कोणाकडे आहे", "किसके पास है", "Kept by"),
    "technician": ("तंत्रज्ञ", "तकनीशियन", "Technician"),
    "kvk": ("कृषी विज्ञान केंद्र", "कृषि विज्ञान केंद्र", "KVK"),
    "date": ("तारीख", "तारीख़", "Date"),
    "use": ("कसे वापरावे", "कैसे इस्तेमाल करें", "How to use it"),
    "step1": (
        "पडद्याला स्पर्श करा, भाषा आणि पीक निवडा.",
        "स्क्रीन छुएँ, भाषा और फ़सल चुनें.",
        "Touch the screen, choose the language and the crop.",
    ),
    "step2": (
        "आजारी पान कॅमेऱ्यासमोर धरा, फोटो घ्या.",
        "बीमार पत्ता कैमरे के सामने रखें, फ़ोटो लें.",
        "Hold the sick leaf before the camera and take the photo.",
    ),
    "step3": (
        "उत्तर ऐका. शंका असेल तर कृषी विज्ञान केंद्राला विचारा.",
        "जवाब सुनें. शक हो तो कृषि विज्ञान केंद्र से पूछें.",
        "Listen to the answer. In doubt, ask the KVK.",
    ),
    "care": ("काळजी", "देखभाल", "Care"),
    "care1": (
        "सावलीत, कोरड्या जागी ठेवा. वीज गेली तरी काही बिघडत नाही.",
        "छाया में, सूखी जगह रखें. बिजली जाने से कुछ नहीं बिगड़ता.",
        "Keep it dry and in the shade. A power cut does no harm.",
    ),
    "care2": (
        "इंटरनेट नसले तरी यंत्र उत्तर देते.",
        "इंटरनेट न हो तब भी यंत्र जवाब देता है.",
        "It answers without internet.",
    ),
    "care3": (
        "बिघडल्यास: बंद करा, दहा सेकंद थांबा, चालू करा. मग तंत्रज्ञाला फोन करा.",
        "ख़राब हो तो: बंद करें, दस सेकंद रुकें, चालू करें. फिर तकनीशियन को फ़ोन करें.",
        "If it fails: off, ten seconds, on. Then call the technician.",
    ),
    "tested": ("तपासणी", "जाँच", "Tested"),
    "signed": ("सही", "हस्ताक्षर", "Signature"),
}
_STYLE = (
    "@page{size:A4;margin:16mm}body{font:13pt/1.45 'Noto Sans Devanagari','Noto Sans',sans-serif;color:#111}"
    "h1{border-bottom:2pt solid #1b5e20;margin:0 0 6mm}h2{margin:6mm 0 2mm;font-size:15pt}"
    "table{border-collapse:collapse;width:100%}td,th{border:.6pt solid #777;padding:1.6mm 2.4mm;text-align:left}"
    "th{width:38%;font-weight:600}ol,ul{margin:0;padding-left:6mm}.marks td{width:auto}"
    ".sign{margin-top:14mm;display:flex;justify-content:space-between}"
    ".sign span{border-top:.6pt solid #111;width:44%;padding-top:1mm}"
)


def sheet(
    device: str, village: str, keeper: str, technician: str, kvk: str, report: dict[str, object] | None, locale: str
) -> str:
    """The page as HTML that prints on one A4."""

    def word(key: str) -> str:
        return escape(pick(WORDS[key], locale))

    rows = {"device": device, "village": village, "keeper": keeper, "technician": technician, "kvk": kvk}
    table = "".join(f"<tr><th>{word(key)}</th><td>{escape(value) or '&nbsp;'}</td></tr>" for key, value in rows.items())
    tested = _tested(report, locale)
    steps = "".join(f"<li>{word(key)}</li>" for key in ("step1", "step2", "step3"))
    care = "".join(f"<li>{word(key)}</li>" for key in ("care1", "care2", "care3"))
    signs = "".join(f"<span>{word(who)}: {word('signed')}</span>" for who in ("technician", "keeper"))
    return (
        f'<!doctype html><html lang="{locale[:2]}"><meta charset="utf-8"><title>{word("title")}</title>'
        f"<style>{_STYLE}</style><h1>{word('title')}</h1><table>{table}</table>"
        f"<h2>{word('use')}</h2><ol>{steps}</ol>"
        f"<h2>{word('care')}</h2><ul>{care}</ul>"
        f"{tested}<p>{word('date')}: {time.strftime('%d-%m-%Y')}</p>"
        f'<div class="sign">{signs}</div></html>\n'
    )


def _tested(report: dict[str, object] | None, locale: str) -> str:
    findings = report.get("findings") if report else None
    if not isinstance(findings, list):
        return ""
    cells = []
    for each in findings:
        part, verdict = (each.get("part"), each.get("verdict")) if isinstance(each, dict) else (None, None)
        if part in PARTS and verdict in VERDICTS:
            words = escape(pick(PARTS[part], locale)), escape(pick(VERDICTS[verdict], locale))
            cells.append("<tr><th>{}</th><td>{}</td></tr>".format(*words))
    return f"<h2>{escape(pick(WORDS['tested'], locale))}</h2><table>{''.join(cells)}</table>"


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="HTML file to write.")
@click.option("--village", default="", help="Where it stands.")
@click.option("--keeper", default="", help="Who keeps it, with a telephone number if they wish.")
@click.option("--technician", default="", help="Whom to call.")
@click.option("--kvk", default="", help="The KVK and its number.")
@click.option("--report", type=click.Path(path_type=Path), help="The JSON of `check --json-to`.")
@click.option("--config", type=click.Path(path_type=Path), help="The device's configuration.")
@click.option("--locale", type=click.Choice(LOCALES), help="The device's own if left out.")
def handover(
    out: Path,
    village: str,
    keeper: str,
    technician: str,
    kvk: str,
    report: Path | None,
    config: Path | None,
    locale: str | None,
) -> None:
    """Make the sheet that is left with the village, to be printed or shown."""
    section = Around(config=config).config.get("device", {})
    known = str(section.get("locale", ""))
    tongue = locale or (known if known in LOCALES else "en-IN")
    found = None
    try:
        if report is not None:
            found = json.loads(report.read_text())
        page = sheet(str(section.get("id", "")), village, keeper, technician, kvk, found, tongue)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ProvisionError(f"{error.filename}: {error.strerror}; choose another place") from None
    except ValueError:
        raise ProvisionError(f"{report}: not the JSON of a check; make it with 'check --json-to'") from None
    click.echo(f"{out} is written; print it on one A4 page")
