"""The parts of `reproduce.py`: what the paper says, the work, what becomes of it."""
