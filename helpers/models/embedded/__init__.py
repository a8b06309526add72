"""The embedded detector: an SSD on MobileNetV2, trained from scratch on the synthetic photos."""
