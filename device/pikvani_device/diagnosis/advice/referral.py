"""Whom to ask, said after every answer and every refusal. No treatment, no product, no dose is given here."""

from __future__ import annotations

HELPLINE = "1800-180-1551"
"""Kisan Call Centre, free of charge, 6 to 22 o'clock, in the caller's language."""

_REFERRAL = {
    "mr-IN": {
        "answer": "उपचार करण्यापूर्वी जवळच्या कृषी विज्ञान केंद्राला किंवा किसान कॉल सेंटरला ({helpline}) विचारा.",
        "more": "आणखी एक फोटो घ्या, शक्यतो त्याच रोपाच्या दुसऱ्या पानाचा. "
        "तरीही उत्तर न मिळाल्यास किसान कॉल सेंटरला ({helpline}) विचारा.",
        "refuse": "पान कृषी विज्ञान केंद्रात दाखवा किंवा किसान कॉल सेंटरला ({helpline}) विचारा.",
    },
    "hi-IN": {
        "answer": "उपचार करने से पहले नज़दीकी कृषि विज्ञान केंद्र या किसान कॉल सेंटर ({helpline}) से पूछें.",
        "more": "एक और फ़ोटो लें, हो सके तो उसी पौधे के दूसरे पत्ते का. फिर भी उत्तर न मिले तो किसान कॉल सेंटर ({helpline}) से पूछें.",
        "refuse": "पत्ता कृषि विज्ञान केंद्र में दिखाएँ या किसान कॉल सेंटर ({helpline}) से पूछें.",
    },
    "en-IN": {
        "answer": "Before you treat it, ask your Krishi Vigyan Kendra or the Kisan Call Centre ({helpline}).",
        "more": "Take one more photo, best of another leaf of the same plant. "
        "If there is still no answer, ask the Kisan Call Centre ({helpline}).",
        "refuse": "Show the leaf at your Krishi Vigyan Kendra or ask the Kisan Call Centre ({helpline}).",
    },
}


def referral(decision: str, locale: str) -> str:
    """Whom to ask, after `answer`, `more` or `refuse`, in `mr-IN`, `hi-IN` or `en-IN`."""
    return _REFERRAL[locale][decision].format(helpline=HELPLINE)
