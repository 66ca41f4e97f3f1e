"""What the field test says, in Marathi, Hindi and English: (mr-IN, hi-IN, en-IN) each."""

from __future__ import annotations

from pikvani_provision.checking.around import Finding

LOCALES = ("mr-IN", "hi-IN", "en-IN")
PARTS: dict[str, tuple[str, str, str]] = {
    "clock": ("घड्याळ", "घड़ी", "Clock"),
    "temperature": ("तापमान", "तापमान", "Temperature"),
    "power": ("वीज", "बिजली", "Power"),
    "memory": ("मेमरी", "मेमोरी", "Memory"),
    "card": ("कार्ड", "कार्ड", "Card"),
    "data": ("साठवण", "भंडारण", "Storage"),
    "touch": ("स्पर्श-पडदा", "टच स्क्रीन", "Touch screen"),
    "sound": ("आवाज", "आवाज़", "Sound"),
    "camera": ("कॅमेरा", "कैमरा", "Camera"),
    "model": ("ओळख-मॉडेल", "पहचान मॉडल", "Model"),
    "services": ("सेवा", "सेवाएँ", "Services"),
    "modem": ("मोडेम", "मोडेम", "Modem"),
    "centre": ("केंद्र", "केंद्र", "Centre"),
}
VERDICTS: dict[str, tuple[str, str, str]] = {
    "good": ("ठीक", "ठीक", "good"),
    "warn": ("पाहा", "देखें", "look"),
    "bad": ("बिघाड", "ख़राब", "BAD"),
    "absent": ("नाही", "नहीं है", "none"),
}
SENTENCES: dict[str, tuple[str, str, str]] = {
    "clock_good": ("वेळ बरोबर आहे.", "समय सही है.", "The time is right."),
    "clock_unsure": (
        "वेळ चुकीची असू शकते. मोबाइल किंवा वाय-फाय जोडा.",
        "समय ग़लत हो सकता है. मोबाइल या वाई-फ़ाई जोड़ें.",
        "The time may be wrong: join a network once.",
    ),
    "clock_wrong": (
        "वेळ चुकीची आहे ({year}). नेटवर्क जोडा.",
        "समय ग़लत है ({year}). नेटवर्क जोड़ें.",
        "The time is wrong ({year}): join a network.",
    ),
    "temperature_good": ("{celsius} अंश.", "{celsius} डिग्री.", "{celsius} degrees."),
    "temperature_warm": (
        "{celsius} अंश: गरम आहे. सावलीत ठेवा.",
        "{celsius} डिग्री: गरम है. छाया में रखें.",
        "{celsius} degrees: warm. Put it in the shade.",
    ),
    "temperature_hot": (
        "{celsius} अंश: खूप गरम. बंद करा, हवा लागू द्या.",
        "{celsius} डिग्री: बहुत गरम. बंद करें, हवा लगने दें.",
        "{celsius} degrees: too hot. Switch off, give it air.",
    ),
    "temperature_unknown": (
        "तापमान मोजता येत नाही.",
        "तापमान नापा नहीं जा सकता.",
        "The board does not tell.",
    ),
    "power_good": ("वीज पुरेशी आहे.", "बिजली पर्याप्त है.", "The supply is strong enough."),
    "power_was_low": (
        "वीज मध्येच कमी पडली होती. चांगला अडॅप्टर आणि छोटी तार वापरा.",
        "बिजली बीच में कम पड़ी थी. अच्छा अडैप्टर और छोटा तार लगाएँ.",
        "The supply was too weak at times: use a better adapter and a short cable.",
    ),
    "power_low": (
        "वीज कमी पडते आहे. अडॅप्टर बदला.",
        "बिजली कम पड़ रही है. अडैप्टर बदलें.",
        "The supply is too weak now: change the adapter.",
    ),
    "power_throttled": (
        "वीज किंवा उष्णतेमुळे यंत्र मंद चालते आहे.",
        "बिजली या गरमी से यंत्र धीमा चल रहा है.",
        "It is slowed down by weak power or heat.",
    ),
    "power_unknown": (
        "हे बोर्ड वीज मोजत नाही.",
        "यह बोर्ड बिजली नहीं नापता.",
        "This board does not measure it.",
    ),
    "memory_good": ("{megabytes} एमबी.", "{megabytes} एमबी.", "{megabytes} MB."),
    "memory_small": (
        "{megabytes} एमबी: कमी आहे.",
        "{megabytes} एमबी: कम है.",
        "{megabytes} MB: too little; use a board of 1 GB or more.",
    ),
    "memory_unknown": (
        "मेमरी मोजता आली नाही.",
        "मेमोरी नापी नहीं जा सकी.",
        "Memory could not be read.",
    ),
    "card_good": ("{percent}% झिजले.", "{percent}% घिसा.", "{percent}% worn."),
    "card_used": (
        "{percent}% झिजले. पुढच्या भेटीत बदला.",
        "{percent}% घिसा. अगली बार बदलें.",
        "{percent}% worn: change it at the next visit.",
    ),
    "card_worn": (
        "{percent}% झिजले. आता बदला.",
        "{percent}% घिसा. अभी बदलें.",
        "{percent}% worn: change it now.",
    ),
    "card_failing": (
        "डिस्क बिघडते आहे. आता बदला.",
        "डिस्क ख़राब हो रही है. अभी बदलें.",
        "The disk is failing: change it now.",
    ),
    "card_dated": ("{date} चे कार्ड.", "{date} का कार्ड.", "A card of {date}."),
    "card_old": (
        "{date} चे जुने कार्ड. नवीन घाला.",
        "{date} का पुराना कार्ड. नया लगाएँ.",
        "An old card, of {date}: put in a new one.",
    ),
    "card_unknown": (
        "कार्ड किती झिजले ते सांगता येत नाही.",
        "कार्ड कितना घिसा, बताया नहीं जा सकता.",
        "It does not tell how worn it is.",
    ),
    "data_good": ("{free_percent}% मोकळे.", "{free_percent}% ख़ाली.", "{free_percent}% free."),
    "data_scarce": (
        "फक्त {free_percent}% मोकळे.",
        "केवल {free_percent}% ख़ाली.",
        "Only {free_percent}% free: carry the cases to the centre.",
    ),
    "data_full": (
        "जागा भरली आहे. प्रश्न साठवले जाणार नाहीत.",
        "जगह भर गई है. सवाल सहेजे नहीं जाएँगे.",
        "Full: cases are answered and not kept.",
    ),
    "data_locked": (
        "लिहिता येत नाही ({why}). कार्ड बदला.",
        "लिखा नहीं जा सकता ({why}). कार्ड बदलें.",
        "Cannot be written ({why}): change the card.",
    ),
    "data_missing": (
        "साठवण-भाग जोडलेला नाही. पुन्हा सुरू करा; तरीही नसेल तर कार्ड बदला.",
        "भंडारण जुड़ा नहीं है. फिर से चालू करें; तब भी न हो तो कार्ड बदलें.",
        "The data partition is not there: restart; if it stays away, change the card.",
    ),
    "touch_good": ("{name} सापडला.", "{name} मिला.", "{name} is there."),
    "touch_missing": (
        "स्पर्श-पडदा नाही. केबल पाहा.",
        "टच स्क्रीन नहीं है. केबल देखें.",
        "No touch screen; if there should be one, look at its cable.",
    ),
    "sound_good": (
        "स्पीकर आणि माइक चालतात.",
        "स्पीकर और माइक चलते हैं.",
        "Speaker and microphone work.",
    ),
    "sound_faint": (
        "आवाज क्षीण आहे. आवाज वाढवा.",
        "आवाज़ हल्की है. आवाज़ बढ़ाएँ.",
        "The tone is faint: turn the speaker up.",
    ),
    "sound_not_heard": (
        "माइकला स्पीकरचा आवाज ऐकू आला नाही. दोन्ही केबल पाहा.",
        "माइक को स्पीकर की आवाज़ नहीं सुनाई दी. दोनों केबल देखें.",
        "The microphone did not hear the speaker: look at both cables.",
    ),
    "microphone_silent": (
        "माइक काहीच देत नाही.",
        "माइक कुछ नहीं दे रहा.",
        "The microphone gives nothing: is it muted or unplugged?",
    ),
    "microphone_failed": (
        "माइक चालत नाही ({why}).",
        "माइक नहीं चलता ({why}).",
        "The microphone fails ({why}).",
    ),
    "speaker_failed": (
        "स्पीकर चालत नाही ({why}).",
        "स्पीकर नहीं चलता ({why}).",
        "The speaker fails ({why}).",
    ),
    "sound_missing": ("ध्वनी-कार्ड नाही.", "साउंड कार्ड नहीं है.", "There is no sound card."),
    "sound_no_tools": (
        "alsa-utils बसवलेले नाही.",
        "alsa-utils नहीं लगा है.",
        "alsa-utils is not installed.",
    ),
    "camera_good": (
        "फोटो निघतो: {width} x {height}.",
        "फ़ोटो आती है: {width} x {height}.",
        "It takes photographs: {width} x {height}.",
    ),
    "camera_dark": (
        "फोटो काळा येतो. झाकण काढा.",
        "फ़ोटो काली आती है. ढक्कन हटाएँ.",
        "The photograph is black: is the lens covered?",
    ),
    "camera_busy": (
        "कॅमेरा ॲप वापरत आहे.",
        "कैमरा ऐप के पास है.",
        "The app has the camera; try it on the screen.",
    ),
    "camera_failed": (
        "कॅमेरा चालत नाही ({why}).",
        "कैमरा नहीं चलता ({why}).",
        "The camera fails: {why}",
    ),
    "camera_none": ("कॅमेरा ठरवलेला नाही.", "कैमरा तय नहीं है.", "No camera is configured."),
    "model_good": (
        "चाचणी-प्रश्न बरोबर: {model}.",
        "जाँच के सवाल सही: {model}.",
        "The golden cases pass: {model}.",
    ),
    "model_failed": (
        "चाचणी-प्रश्न चुकले ({why}). अद्ययावत मागे घ्या.",
        "जाँच के सवाल ग़लत ({why}). अपडेट वापस लें.",
        "The golden cases fail ({why}): take the last update back.",
    ),
    "services_good": (
        "{count} सेवा चालू.",
        "{count} सेवाएँ चालू.",
        "{count} services are up.",
    ),
    "services_down": (
        "बंद: {units}.",
        "बंद: {units}.",
        "Down: {units}; look with journalctl -u UNIT.",
    ),
    "services_unknown": (
        "येथे systemd नाही.",
        "यहाँ systemd नहीं है.",
        "There is no systemd here.",
    ),
    "modem_good": ("सिग्नल {percent}%.", "सिग्नल {percent}%.", "Signal {percent}%."),
    "modem_weak": (
        "सिग्नल {percent}% ({state}). अँटेना हलवा.",
        "सिग्नल {percent}% ({state}). एंटेना हिलाएँ.",
        "Signal {percent}% ({state}): move the antenna.",
    ),
    "modem_locked": (
        "सिम नाही किंवा पिन हवा ({state}).",
        "सिम नहीं या पिन चाहिए ({state}).",
        "No SIM, or it wants a PIN ({state}).",
    ),
    "modem_missing": ("मोडेम नाही.", "मोडेम नहीं है.", "There is no modem."),
    "centre_reached": (
        "केंद्र उत्तर देते.",
        "केंद्र जवाब देता है.",
        "The centre's broker answers.",
    ),
    "centre_not_enrolled": (
        "केंद्र आहे; यंत्राची नोंदणी अजून बाकी.",
        "केंद्र है; यंत्र का पंजीकरण बाक़ी है.",
        "The centre is there; this device is not enrolled yet.",
    ),
    "centre_away": (
        "केंद्र आत्ता मिळत नाही. यंत्र तसेच चालते; जोडणी मिळताच पाठवेल.",
        "केंद्र अभी नहीं मिलता. यंत्र वैसे भी चलता है; जुड़ते ही भेजेगा.",
        "The centre cannot be reached now; the device works on and sends later.",
    ),
    "centre_distrusted": (
        "केंद्राचे किंवा यंत्राचे प्रमाणपत्र चालत नाही ({why}).",
        "केंद्र या यंत्र का प्रमाणपत्र मान्य नहीं ({why}).",
        "A certificate is not accepted ({why}): enrol again.",
    ),
    "centre_none": ("केंद्र ठरवलेले नाही.", "केंद्र तय नहीं है.", "No centre is configured."),
}
SUMMARY: dict[str, tuple[str, str, str]] = {
    "good": ("यंत्र तयार आहे.", "यंत्र तैयार है.", "The device is ready."),
    "warn": (
        "यंत्र चालते. {count} गोष्टी पाहा.",
        "यंत्र चलता है. {count} बातें देखें.",
        "The device works. {count} things to look at.",
    ),
    "bad": ("{count} बिघाड आहेत.", "{count} ख़राबियाँ हैं.", "{count} faults."),
}


def pick(sentences: tuple[str, str, str], locale: str) -> str:
    """The sentence of one language."""
    return sentences[LOCALES.index(locale)]


def sentence(finding: Finding, locale: str) -> str:
    """What a finding says in one language."""
    return pick(SENTENCES[finding.key], locale).format(**finding.values)


def summary(findings: list[Finding], locale: str) -> str:
    """All in one sentence."""
    for verdict in ("bad", "warn"):
        count = sum(1 for finding in findings if finding.verdict == verdict)
        if count:
            return pick(SUMMARY[verdict], locale).format(count=count)
    return pick(SUMMARY["good"], locale)
