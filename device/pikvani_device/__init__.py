"""The appliance: camera and microphone in, spoken and sourced answer out, every case queued for the centre."""

__version__ = "0.1.0"
