"""The CycleGAN family: two generators, two critics, and pictures without partners."""
