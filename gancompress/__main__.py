"""``python -m gancompress``, which is what accelerate and torchrun launch."""

from gancompress.cli import main

if __name__ == "__main__":
    main()
