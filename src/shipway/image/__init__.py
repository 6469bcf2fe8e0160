"""OCI images: models, and their assembly from trees.

Owns media types, configuration and manifest JSON, and the step from trees to layers with their diffIDs. Must not know
packages, specs or engines. Read `oci.py` first, then `assemble.py`.
"""
