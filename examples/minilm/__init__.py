"""A sentence encoder that nobody here trained, in INT8 and INT4: ``python -m examples.minilm``."""
