"""What runs an exported file: each module needs its runtime and numpy, and not this package.

A player is a script of its own, too, so that a fresh process can run a file without importing
torch or this package where the runtime does not need them. Its ``load`` takes the path, the device
and the settings of the file's card, and gives a function of a list of arrays.
"""
