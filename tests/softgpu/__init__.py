"""The software GPU: runs the CUDA kernels, as nvcc compiled them, on the CPU.

``build`` makes libraries of kernels, ``library`` runs them; README.md is the map.
"""
