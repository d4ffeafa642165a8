"""Architectures: one module per pair of networks, generator and discriminator together, named in a recipe by its file.

A module defines the names of `pipeline.networks.Architecture`. Every module in this folder is an architecture, so a
new one is one new file; helpers belong in the folder above.
"""
