"""Replay: how a training step is repeated without Python, recorded on a CPU or captured as a CUDA graph.

In: a function of tensors and the tensors it reads. Out: the same numbers, with the memory planned once.
"""
