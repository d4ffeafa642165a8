"""Storage: the folders, manifests, locks and file formats of artefacts.

`paths` derives every folder from keys. `artefact` makes a folder appear complete, with a manifest that names its
fingerprint and every file's checksum; `atomic` does so for a single file, and `lock` keeps other processes away.
`details` reads the facts in a manifest as typed values. `images` is the Arrow format of pixels, `weights` the
safetensors format of networks, `pictures` the PNG grids that people look at. No module here knows a stage's content.
"""
