"""Every sentence of the device's pages, in Marathi, Hindi and English. No page has words of its own.

A sentence that is missing in a language is an error a test finds, not a fallback a farmer sees.
"""

from __future__ import annotations

# (mr-IN, hi-IN, en-IN)
STRINGS: dict[str, tuple[str, str, str]] = {
    "title": ("पीकवाणी", "पीकवाणी", "Pikvani"),
    "ask": ("आजारी पानाचा फोटो घ्या", "बीमार पत्ते की फ़ोटो लें", "Take a photo of the sick leaf"),
    "crop": ("पीक", "फ़सल", "Crop"),
    "any_crop": ("माहीत नाही", "पता नहीं", "I do not know"),
    "photos": ("फोटो (1 ते {count})", "फ़ोटो (1 से {count})", "Photos (1 to {count})"),
    "send": ("विचारा", "पूछें", "Ask"),
    "language": ("भाषा", "भाषा", "Language"),
    "again": ("दुसरे पान विचारा", "दूसरा पत्ता पूछें", "Ask about another leaf"),
    "retake": ("आणखी एक फोटो घ्या", "एक और फ़ोटो लें", "Take one more photo"),
    "latest": ("या यंत्रावरील मागील प्रश्न", "इस यंत्र पर पिछले सवाल", "Earlier questions on this device"),
    "none_yet": ("अजून काही नाही", "अभी कुछ नहीं", "Nothing yet"),
    "synced": ("केंद्राकडे पोहोचले", "केंद्र तक पहुँचा", "at the centre"),
    "waiting": ("वाट पाहत आहे", "इंतज़ार में", "waiting"),
    "sure": ("बऱ्यापैकी खात्री आहे", "काफ़ी हद तक यक़ीन है", "Fairly sure"),
    "likely": ("शक्यता आहे", "संभावना है", "Likely"),
    "unsure_word": ("खात्री नाही", "यक़ीन नहीं", "Not sure"),
    "refused": ("मी नक्की सांगू शकत नाही", "मैं पक्का नहीं कह सकता", "I cannot say for certain"),
    "best_guess": ("बहुधा", "शायद", "It may be"),
    "unsure": (
        "फोटोवरून नक्की ओळखता आले नाही.",
        "फ़ोटो से पक्का पहचान नहीं हो सकी.",
        "The photo does not tell enough.",
    ),
    "not_a_leaf": (
        "फोटोत पान दिसत नाही.",
        "फ़ोटो में पत्ता नहीं दिखता.",
        "There seems to be no leaf in the photo.",
    ),
    "unknown_plant": (
        "हे पीक मला माहीत नाही.",
        "यह फ़सल मुझे मालूम नहीं.",
        "This seems to be a plant I do not know.",
    ),
    "other_crop": (
        "हे पान निवडलेल्या पिकाचे वाटत नाही.",
        "यह पत्ता चुनी हुई फ़सल का नहीं लगता.",
        "The leaf does not look like the crop you picked.",
    ),
    "too_small": ("फोटो खूप लहान आहे.", "फ़ोटो बहुत छोटी है.", "The photo is too small."),
    "too_dark": (
        "फोटो खूप अंधारा आहे. उजेडात घ्या.",
        "फ़ोटो बहुत अँधेरी है. उजाले में लें.",
        "The photo is too dark. Go into the light.",
    ),
    "too_bright": (
        "फोटो खूप उजळ आहे. सावलीत घ्या.",
        "फ़ोटो बहुत चमकीली है. छाया में लें.",
        "The photo is too bright. Go into the shade.",
    ),
    "blurred": (
        "फोटो अस्पष्ट आहे. हात स्थिर ठेवा.",
        "फ़ोटो धुँधली है. हाथ स्थिर रखें.",
        "The photo is blurred. Hold still.",
    ),
    "no_leaf": (
        "फोटोत पान दिसत नाही. जवळून घ्या.",
        "फ़ोटो में पत्ता नहीं दिखता. पास से लें.",
        "No leaf is to be seen. Go closer.",
    ),
    "unreadable": (
        "ही फाइल फोटो म्हणून वाचता येत नाही. पुन्हा फोटो घ्या.",
        "यह फ़ाइल फ़ोटो की तरह पढ़ी नहीं जा सकती. फिर से फ़ोटो लें.",
        "This file cannot be read as a photo. Take it again.",
    ),
    "too_large": (
        "फोटो खूप मोठा आहे. कॅमेऱ्यात लहान आकार निवडा.",
        "फ़ोटो बहुत बड़ी है. कैमरे में छोटा आकार चुनें.",
        "The photo is too large. Choose a smaller size in the camera.",
    ),
    "no_photo": ("आधी फोटो घ्या.", "पहले फ़ोटो लें.", "Take a photo first."),
    "too_many": (
        "एका वेळी {count} पेक्षा जास्त फोटो नको.",
        "एक बार में {count} से ज़्यादा फ़ोटो नहीं.",
        "No more than {count} photos at once.",
    ),
    "broken": (
        "यंत्रात अडचण आहे. तंत्रज्ञाला सांगा.",
        "यंत्र में दिक़्क़त है. तकनीशियन को बताएँ.",
        "Something is wrong with this device. Tell the technician.",
    ),
    "not_kept": (
        "हा प्रश्न साठवता आला नाही: यंत्राची जागा भरली आहे किंवा बिघडली आहे. उत्तर लक्षात ठेवा आणि तंत्रज्ञाला सांगा.",
        "यह सवाल सहेजा नहीं जा सका: यंत्र की जगह भरी है या ख़राब है. जवाब याद रखें और तकनीशियन को बताएँ.",
        "This could not be kept: the device's memory is full or broken. Remember the answer; tell the technician.",
    ),
    "not_readable": (
        "मागील प्रश्न वाचता येत नाहीत. तंत्रज्ञाला सांगा.",
        "पिछले सवाल पढ़े नहीं जा सकते. तकनीशियन को बताएँ.",
        "Earlier questions cannot be read. Tell the technician.",
    ),
    "not_found": ("हे पान सापडले नाही.", "यह पन्ना नहीं मिला.", "There is no such page."),
}
_COLUMN = {"mr-IN": 0, "hi-IN": 1, "en-IN": 2}


def say(name: str, locale: str, **values: object) -> str:
    """One sentence in one language.

    Args:
        name: a key of `STRINGS`.
        locale: `mr-IN`, `hi-IN` or `en-IN`.
        **values: what its `{...}` stand for.
    """
    return STRINGS[name][_COLUMN[locale]].format(**values)
