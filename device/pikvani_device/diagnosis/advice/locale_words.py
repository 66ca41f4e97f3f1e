"""Numbers, dates, doses and waiting periods the way a language writes them."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_decimal
from babel.units import format_unit

from pikvani_contract.advice.rules import NUMBER

_ASCII, _DEVANAGARI = "0123456789", "०१२३४५६७८९"
_TO_DEVANAGARI = str.maketrans(_ASCII, _DEVANAGARI)

_DOSE_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "hi": (
        (r"in (\S+) ml water per kg seed", r"\1 मिली पानी में, प्रति किलो बीज"),
        (r"in (\S+) L water", r"\1 लीटर पानी में"),
        (r"(\S+) L water", r"\1 लीटर पानी"),
        (r"mixed in (\S+) kg FYM", r"\1 किलो गोबर की खाद में मिलाकर"),
        (r"formulation", "दवा"),
        (r"a\.i\.", "सक्रिय तत्व"),
        (r"per kg seed|/kg seed", " प्रति किलो बीज"),
        (r"per litre of water|per litre", "प्रति लीटर पानी"),
        (r"per (\S+) लीटर पानी", r"प्रति \1 लीटर पानी"),
        (r"/ha\b", " प्रति हेक्टेयर"),
        (r"/acre\b", " प्रति एकड़"),
        (r"\bspot drench\b", "सिर्फ़ रोगी जगह की मिट्टी में"),
        (r"\bas listed\b", "(सूची के अनुसार)"),
        (r"\bor\b", "या"),
        (r"\bml\b", "मिली"),
        (r"\bkg\b", "किलो"),
        (r"\bg\b", "ग्राम"),
        (r"\bL\b", "लीटर"),
    ),
    "mr": (
        (r"in (\S+) ml water per kg seed", r"\1 मिली पाण्यात, प्रति किलो बियाणे"),
        (r"in (\S+) L water", r"\1 लिटर पाण्यात"),
        (r"(\S+) L water", r"\1 लिटर पाणी"),
        (r"mixed in (\S+) kg FYM", r"\1 किलो शेणखतात मिसळून"),
        (r"formulation", "औषध"),
        (r"a\.i\.", "सक्रिय घटक"),
        (r"per kg seed|/kg seed", " प्रति किलो बियाणे"),
        (r"per litre of water|per litre", "प्रति लिटर पाणी"),
        (r"per (\S+) लिटर पाणी", r"प्रति \1 लिटर पाणी"),
        (r"/ha\b", " प्रति हेक्टर"),
        (r"/acre\b", " प्रति एकर"),
        (r"\bspot drench\b", "फक्त रोगट जागेच्या मातीत"),
        (r"\bas listed\b", "(यादीप्रमाणे)"),
        (r"\bor\b", "किंवा"),
        (r"\bml\b", "मिली"),
        (r"\bkg\b", "किलो"),
        (r"\bg\b", "ग्रॅम"),
        (r"\bL\b", "लिटर"),
    ),
    "en": (),
}
_WAIT = {
    "mr": "शेवटच्या फवारणीनंतर काढणीपर्यंत {} थांबा.",
    "hi": "आख़िरी छिड़काव के बाद कटाई तक {} रुकें.",
    "en": "Wait {} between the last spray and the harvest.",
}
_NO_WAIT = {
    "mr": "काढणीपूर्वी किती दिवस थांबायचे हे लेबलवर वाचा.",
    "hi": "कटाई से पहले कितने दिन रुकना है, यह लेबल पर पढ़ें.",
    "en": "Read on the label how many days to wait before the harvest.",
}


def own_digits(text: str, language: str) -> str:
    """`text` with its digits as the language writes them."""
    return text if language == "en" else text.translate(_TO_DEVANAGARI)


def number(value: str, language: str) -> str:
    """A decimal number, such as `1500` or `2.5`, as the language writes it."""
    grouped = format_decimal(Decimal(value), locale=f"{language}_IN", numbering_system="latn")
    return own_digits(grouped, language)


def sentence(words: str, language: str) -> str:
    """The words of a row, its numbers out of their braces."""

    def written(found: re.Match[str]) -> str:
        return "-".join(number(part, language) for part in found.groups() if part)

    return NUMBER.sub(written, words)


def dose(text: str, language: str) -> str:
    """A dose as its source writes it in English, in the words and digits of the language."""
    for pattern, words in _DOSE_WORDS[language]:
        text = re.sub(pattern, words, text)
    return own_digits(" ".join(text.split()), language)


def waiting(days: int | None, language: str) -> str:
    """How long to wait before the harvest; without a number, where to read it."""
    if days is None:
        return _NO_WAIT[language]
    return _WAIT[language].format(
        own_digits(
            format_unit(days, "duration-day", "long", locale=f"{language}_IN", numbering_system="latn"), language
        )
    )


def day(text: str, language: str) -> str:
    """A date known to the day, month or year (`2026-03-31`, `2013-12`, `2017`), or nothing, as one writes it."""
    locale = f"{language}_IN"
    if len(text) == len("2026-03-31"):
        return own_digits(format_date(date.fromisoformat(text), "long", locale=locale), language)
    if len(text) == len("2013-12"):
        return own_digits(format_date(date.fromisoformat(f"{text}-01"), "LLLL y", locale=locale), language)
    return own_digits(text, language)
