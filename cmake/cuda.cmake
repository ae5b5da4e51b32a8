# The CUDA part: built where nvcc is, unless told otherwise.
set(halfword_cuda_version "")
set(halfword_cuda_archs "")
set(halfword_cuda_summary "no CUDA kernels (HALFWORD_CUDA=${HALFWORD_CUDA})")
