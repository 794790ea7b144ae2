"""What is measured of synthetic images, for the record of `augment` and for the model card."""
