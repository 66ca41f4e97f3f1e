"""What a person is told when Wi-Fi is set up: (mr-IN, hi-IN, en-IN) each, and what to do next."""

from __future__ import annotations

LOCALES = ("mr-IN", "hi-IN", "en-IN")
WORDS: dict[str, tuple[str, str, str]] = {
    "joined": (
        "{name} ला जोडले. यंत्र आता केंद्राशी बोलेल.",
        "{name} से जुड़ गया. यंत्र अब केंद्र से बात करेगा.",
        "Joined {name}. The device will now reach the centre.",
    ),
    "wrong_passphrase": (
        "{name} चा पासवर्ड चुकीचा आहे. लहान-मोठी अक्षरे आणि अंक नीट पाहून पुन्हा लिहा; राउटरच्या मागे तो छापलेला असतो.",
        "{name} का पासवर्ड ग़लत है. छोटे-बड़े अक्षर और अंक देखकर फिर से लिखें; वह राउटर के पीछे छपा होता है.",
        "The passphrase of {name} is wrong. Mind capital letters and digits and try again; it stands on the router.",
    ),
    "bad_form": (
        "पासवर्ड ८ ते ६३ इंग्रजी अक्षरे किंवा अंकांचा असतो. मोजून पुन्हा लिहा.",
        "पासवर्ड 8 से 63 अंग्रेज़ी अक्षरों या अंकों का होता है. गिनकर फिर से लिखें.",
        "A passphrase has 8 to 63 English letters, digits or signs. Count and type it again.",
    ),
    "not_found": (
        "{name} आता दिसत नाही. राउटर चालू आहे का पाहा, यंत्र जवळ आणा.",
        "{name} अभी नहीं दिखता. देखें राउटर चालू है या नहीं, यंत्र पास लाएँ.",
        "{name} is not in reach now. Is the router on? Bring the device closer.",
    ),
    "no_address": (
        "पासवर्ड बरोबर आहे, पण {name} पत्ता देत नाही. राउटर बंद करून पुन्हा चालू करा.",
        "पासवर्ड सही है, पर {name} पता नहीं देता. राउटर बंद करके फिर चालू करें.",
        "The passphrase is right, but {name} gives no address. Switch the router off and on.",
    ),
    "no_radio": (
        "यंत्रात वाय-फाय सापडले नाही. यूएसबी वाय-फाय लावा किंवा मोबाइल केबलने जोडा.",
        "यंत्र में वाई-फ़ाई नहीं मिला. यूएसबी वाई-फ़ाई लगाएँ या मोबाइल को तार से जोड़ें.",
        "The device has no Wi-Fi radio. Plug in a USB one, or join a phone by cable.",
    ),
    "not_allowed": (
        "हे यंत्र वाय-फाय बदलू देत नाही. तंत्रज्ञाला सांगा.",
        "यह यंत्र वाई-फ़ाई बदलने नहीं देता. तकनीशियन को बताएँ.",
        "This device does not let us change its Wi-Fi: run it as root, or install the card anew.",
    ),
    "no_service": (
        "वाय-फाय सेवा बंद आहे. यंत्र बंद करून पुन्हा चालू करा.",
        "वाई-फ़ाई सेवा बंद है. यंत्र बंद करके फिर चालू करें.",
        "The Wi-Fi service is not running. Switch the device off and on.",
    ),
    "timed_out": (
        "{name} ने वेळेत उत्तर दिले नाही. जवळ जाऊन पुन्हा करा; तरीही नाही झाले तर पासवर्ड तपासा.",
        "{name} ने समय पर जवाब नहीं दिया. पास जाकर फिर करें; तब भी न हो तो पासवर्ड जाँचें.",
        "{name} did not answer in time. Go closer and try again; if it stays so, check the passphrase.",
    ),
    "failed": (
        "{name} ला जोडता आले नाही. पुन्हा करा; नाही झाले तर तंत्रज्ञाला सांगा.",
        "{name} से नहीं जुड़ सका. फिर करें; न हो तो तकनीशियन को बताएँ.",
        "{name} could not be joined. Try again; if it stays so, ask the technician.",
    ),
    "title": ("वाय-फाय जोडा", "वाई-फ़ाई जोड़ें", "Join a Wi-Fi network"),
    "network": ("नेटवर्क", "नेटवर्क", "Network"),
    "passphrase": ("पासवर्ड", "पासवर्ड", "Passphrase"),
    "join": ("जोडा", "जोड़ें", "Join"),
    "language": ("मराठी", "हिन्दी", "English"),
    "back": ("मागे", "पीछे", "Back"),
    "trying": ("जोडून पाहत आहे. एक मिनिट थांबा.", "जोड़ने की कोशिश हो रही है. एक मिनट रुकें.", "Trying. Wait a minute."),
    "trying_from_phone": (
        "यंत्र आता {name} ला जोडून पाहते; हे वाय-फाय बंद होईल. "
        "नाही जमले तर एका मिनिटात हेच वाय-फाय परत येईल; मग हे पान पुन्हा उघडा.",
        "यंत्र अब {name} से जुड़ने की कोशिश करेगा; यह वाई-फ़ाई बंद होगा. "
        "न जुड़े तो एक मिनट में यही वाई-फ़ाई लौटेगा; तब यह पन्ना फिर खोलें.",
        "The device tries {name} now and leaves this Wi-Fi. "
        "If it fails, this Wi-Fi is back in a minute: open the page again.",
    ),
    "by_phone": ("मोबाइलवरून जोडा", "मोबाइल से जोड़ें", "Set up from a phone"),
    "how_by_phone": (
        "मोबाइल या वाय-फायला जोडा, मग हा पत्ता उघडा:",
        "मोबाइल को इस वाई-फ़ाई से जोड़ें, फिर यह पता खोलें:",
        "Join this Wi-Fi with the phone, then open this address:",
    ),
    "stop": ("थांबवा", "रोकें", "Stop"),
    "none": ("कोणतेही नेटवर्क दिसत नाही.", "कोई नेटवर्क नहीं दिखता.", "No network is in reach."),
}


def say(key: str, locale: str, name: str = "") -> str:
    """A sentence in one language."""
    return WORDS[key][LOCALES.index(locale)].format(name=name)
