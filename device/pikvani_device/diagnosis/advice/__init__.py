"""What to tell the farmer to do: sentences of a table, each with its source, and whom to ask where it is silent."""

from pikvani_device.diagnosis.advice.referral import HELPLINE, referral
from pikvani_device.diagnosis.advice.table import Advice, AdviceTable, Sentence

__all__ = ["HELPLINE", "Advice", "AdviceTable", "Sentence", "referral"]
