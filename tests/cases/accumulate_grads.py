"""Shapes of gradient accumulation, shared with bench."""

SHAPES = [(), (0,), (1,), (16,), (17,), (3, 100), (40_001,)]
