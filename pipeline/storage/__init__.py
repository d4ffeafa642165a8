"""Storage: where artefacts lie, how they appear, and the formats they are in.

`paths` derives every folder from keys; `artefact` makes a folder appear whole, with a manifest that names its
fingerprint and every file's checksum, `whole` a single file; `images` is the Arrow format of pixels; `weights` the
safetensors format of networks; `pictures` the PNG grids people look at. Nothing here knows what a stage computes.
"""
