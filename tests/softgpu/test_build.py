"""Building: what is missing, and what went wrong, is said."""

import pytest

from . import build as builder


def test_without_nvcc_it_says_where_to_get_one(monkeypatch):
    monkeypatch.setattr(builder, "find_nvcc", lambda: None)
    with pytest.raises(builder.NoCompilerError, match=r"cuda_toolchain\.py --install"):
        builder.build("anything")


def test_failed_build_has_the_tools_message(softgpu):
    with pytest.raises(builder.BuildError, match="unknown target 'no_such_library'"):
        builder.build("no_such_library")


def test_second_build_does_nothing(softgpu):
    library = builder.build("softgpu") / "libsoftgpu.so"
    before = library.stat().st_mtime_ns
    builder._build.cache_clear()
    builder.build("softgpu")
    assert library.stat().st_mtime_ns == before
