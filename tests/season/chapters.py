"""The chapters of a season, in order: title, what it is about in plain words, and what happens in it."""

from __future__ import annotations

from tests.season import at_the_centre, in_villages, learning
from tests.season.stage import Chapter

CHAPTERS: list[tuple[str, str, Chapter]] = [
    (
        "Farmers ask before anybody knows the device",
        "The devices have just been switched on; no centre has ever heard of them. A farmer must get an answer all the "
        "same, in the language of the place, and what was asked must wait until somebody can be told.",
        in_villages.before_enrolment,
    ),
    (
        "The devices become known",
        "A device may only speak to the centre once it has a certificate. Wadgaon has no link that day: its request "
        "and the answer travel on a USB stick. The two others ask for themselves.",
        in_villages.enrolment,
    ),
    (
        "Agronomists name what the model was unsure of",
        "Some farmers allow that their photograph is looked at. Two agronomists name each without seeing what the "
        "other said; where they differ, a third decides. These names are what a better model can be taught with.",
        learning.labels,
    ),
    (
        "Two weeks without a link, and power cuts",
        "Pimpri loses its link for two weeks, and again and again its plug is pulled, also in the middle of an answer. "
        "When the link comes back the centre itself is down. Nothing that a farmer was told may be lost, nothing may "
        "arrive twice, and every case must stand on the day on which it was asked.",
        in_villages.outage,
    ),
    (
        "Farmers at the kiosk",
        "In each of the three villages somebody asks by touch alone, in a real browser; then others in Marathi, Hindi "
        "and English.",
        in_villages.kiosk,
    ),
    (
        "Farmers speak",
        "Two farmers touch nothing but the shutter: they say their crop and what they see, one in Marathi, one in "
        "Hindi, and say yes to what the device read back.",
        in_villages.voice,
    ),
    (
        "A village without any link: the stick",
        "Khed has no link at all. Somebody carries its cases to the centre on a USB stick, and the receipts back. Who "
        "finds the stick must learn nothing from it.",
        in_villages.stick,
    ),
    (
        "New cameras in one district, a new disease in another",
        "Many more villages live some months. In one district a delivery of other cameras sees darker; in another "
        "a disease appears that no model knows. The centre must notice both by itself, soon, and say which district "
        "and which crop, and leave all others in peace.",
        learning.drift,
    ),
    (
        "The new disease gets a name",
        "Two agronomists look at the photographs of the district in the alarm. The disease is in no list: one of them "
        "writes its name. The centre then says whether training a new model pays.",
        learning.disease,
    ),
    (
        "A bad version stops by itself, a good one spreads on proof",
        "Three new versions of the model come. One is worse and must not even be signed. One passes all examinations "
        "and still answers nobody: a single device tries it, goes back by itself, and nobody else may get it. The good "
        "one goes on to all once the first device proved that it works.",
        at_the_centre.rollout,
    ),
    (
        "Clocks that lie",
        "A board has no battery for its clock. One device believes it is 1970, another 2099. Both must work, and their "
        "cases must stand at the right hour.",
        in_villages.clocks,
    ),
    (
        "A full card",
        "One device's card is filled to the last byte, and then its plug is pulled. It must go on answering, say "
        "honestly that it could not keep the case, and keep cases again once there is room.",
        in_villages.full_card,
    ),
    (
        "A farmer takes back what was allowed",
        "A farmer comes back with the code from that day and has the case erased. It must vanish everywhere: from the "
        "device, from the centre, and from what models are taught with.",
        at_the_centre.erasure,
    ),
    (
        "A device is stolen",
        "Khed's device is stolen from the panchayat. It must be shut out at once, what it sent before must stay, and a "
        "new device must take its place by itself.",
        at_the_centre.stolen,
    ),
    (
        "The ledger",
        "At the end each village's book is held against the centre's: what farmers were told must be there, once.",
        at_the_centre.ledger,
    ),
]
