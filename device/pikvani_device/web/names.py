"""The names of crops and conditions in the farmer's languages. Ids are the model's; a missing one shows as its id.

The Marathi and Hindi names are those of extension literature as far as we know them and wait for a native
agronomist's eye.
"""

from __future__ import annotations

LOCALES = {"mr-IN": "मराठी", "hi-IN": "हिन्दी", "en-IN": "English"}
"""Languages of the pages, by the name each has in itself."""

# (mr-IN, hi-IN, en-IN)
CROPS: dict[str, tuple[str, str, str]] = {
    "bell_pepper": ("ढोबळी मिरची", "शिमला मिर्च", "Bell pepper"),
    "blackgram": ("उडीद", "उड़द", "Black gram"),
    "chilli": ("मिरची", "मिर्च", "Chilli"),
    "cotton": ("कापूस", "कपास", "Cotton"),
    "grape": ("द्राक्ष", "अंगूर", "Grape"),
    "maize": ("मका", "मक्का", "Maize"),
    "potato": ("बटाटा", "आलू", "Potato"),
    "rice": ("भात", "धान", "Rice"),
    "sugarcane": ("ऊस", "गन्ना", "Sugarcane"),
    "tomato": ("टोमॅटो", "टमाटर", "Tomato"),
}
CONDITIONS: dict[str, tuple[str, str, str]] = {
    "anthracnose": ("करपा (अँथ्रॅकनोज)", "एन्थ्रेक्नोज", "Anthracnose"),
    "bacterial_blight": ("जिवाणूजन्य करपा", "जीवाणु झुलसा", "Bacterial blight"),
    "bacterial_leaf_blight": ("जिवाणूजन्य पर्ण करपा", "जीवाणु पत्ती झुलसा", "Bacterial leaf blight"),
    "bacterial_spot": ("जिवाणूजन्य ठिपके", "जीवाणु धब्बा", "Bacterial spot"),
    "black_rot": ("काळी कूज", "काला सड़न", "Black rot"),
    "blast": ("करपा (ब्लास्ट)", "झोंका (ब्लास्ट)", "Blast"),
    "brown_spot": ("तपकिरी ठिपके", "भूरा धब्बा", "Brown spot"),
    "cercospora_leaf_spot": ("सर्कोस्पोरा पानांवरील ठिपके", "सर्कोस्पोरा पत्ती धब्बा", "Cercospora leaf spot"),
    "common_rust": ("तांबेरा", "रतुआ", "Common rust"),
    "diseased_unspecified": (
        "रोगट (कोणता रोग ते सांगता येत नाही)",
        "रोगग्रस्त (कौन सा रोग, कहा नहीं जा सकता)",
        "Diseased (which disease cannot be told)",
    ),
    "early_blight": ("लवकर येणारा करपा", "अगेती झुलसा", "Early blight"),
    "esca_black_measles": ("एस्का (काळे ठिपके)", "एस्का (काला खसरा)", "Esca (black measles)"),
    "fusarium_wilt": ("मर रोग (फ्युजेरियम)", "उकठा (फ्यूजेरियम)", "Fusarium wilt"),
    "gray_leaf_spot": ("करडे ठिपके", "धूसर पत्ती धब्बा", "Gray leaf spot"),
    "healthy": ("निरोगी", "स्वस्थ", "Healthy"),
    "late_blight": ("उशिरा येणारा करपा", "पछेती झुलसा", "Late blight"),
    "leaf_blight": ("पानांवरील करपा", "पत्ती झुलसा", "Leaf blight"),
    "leaf_crinkle": ("पाने सुरकुतणे", "पत्ती सिकुड़न (क्रिंकल)", "Leaf crinkle"),
    "leaf_curl_mites_thrips": ("चुरडा-मुरडा (कोळी, फुलकिडे)", "पत्ती मरोड़ (माइट, थ्रिप्स)", "Leaf curl from mites and thrips"),
    "leaf_curl_virus": ("पर्णगुच्छ विषाणू", "पत्ती मरोड़ विषाणु", "Leaf curl virus"),
    "leaf_mold": ("पानांवरील बुरशी", "पत्ती फफूँद", "Leaf mold"),
    "mosaic": ("मोझॅक", "मोज़ेक", "Mosaic"),
    "mosaic_virus": ("मोझॅक विषाणू", "मोज़ेक विषाणु", "Mosaic virus"),
    "northern_leaf_blight": ("पानांवरील करपा (उत्तरी)", "उत्तरी पत्ती झुलसा", "Northern leaf blight"),
    "nutrient_deficiency": ("अन्नद्रव्यांची कमतरता", "पोषक तत्वों की कमी", "Nutrient deficiency"),
    "powdery_mildew": ("भुरी", "चूर्णिल आसिता (भभूतिया)", "Powdery mildew"),
    "red_rot": ("लाल कूज", "लाल सड़न", "Red rot"),
    "rust": ("तांबेरा", "रतुआ", "Rust"),
    "septoria_leaf_spot": ("सेप्टोरिया ठिपके", "सेप्टोरिया पत्ती धब्बा", "Septoria leaf spot"),
    "spider_mites": ("लाल कोळी", "लाल मकड़ी", "Spider mites"),
    "target_spot": ("टार्गेट स्पॉट ठिपके", "टार्गेट स्पॉट धब्बा", "Target spot"),
    "yellow_leaf": ("पिवळी पाने (यलो लीफ)", "पीली पत्ती (यलो लीफ)", "Yellow leaf"),
    "yellow_leaf_curl_virus": ("पिवळा पर्णगुच्छ विषाणू", "पीला पत्ती मरोड़ विषाणु", "Yellow leaf curl virus"),
    "yellow_mosaic": ("पिवळा मोझॅक", "पीला मोज़ेक", "Yellow mosaic"),
}
_COLUMN = {"mr-IN": 0, "hi-IN": 1, "en-IN": 2}


def crop_name(crop: str, locale: str) -> str:
    """A crop in the farmer's language."""
    names = CROPS.get(crop)
    return names[_COLUMN[locale]] if names else crop.replace("_", " ")


def condition_name(label: str, locale: str) -> str:
    """A `crop/condition` in the farmer's language: crop, then condition."""
    crop, _, condition = label.partition("/")
    names = CONDITIONS.get(condition)
    said = names[_COLUMN[locale]] if names else condition.replace("_", " ")
    return f"{crop_name(crop, locale)}: {said}"
