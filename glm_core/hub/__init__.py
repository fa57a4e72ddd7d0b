"""Sources of weights and data sets: the published models, downloads, and the models on this disk.

One transfer of our own (http_download.py) serves every hub. huggingface_hub's `snapshot_download` would not do for one
half of them: as of 2.4.0 it deletes what has arrived of a file when it is stopped or cut off, so that 4 GB begin again
from nothing; and its Xet transfers make connections of their own, past the refusal of private addresses.
"""
