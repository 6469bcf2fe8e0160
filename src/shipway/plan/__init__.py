"""Lock -> layers, with the reason for each. Pure: reads the lock and nothing else.

Owns the layer policy, the keys of trees, and the image's configuration as the lock implies it. Must not know the spec, the
store, files or clocks. Read `model.py` first, then `layers.py`.
"""
