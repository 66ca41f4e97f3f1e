"""Brokers the centre starts or configures: the embedded one for a laptop, Mosquitto for production."""
