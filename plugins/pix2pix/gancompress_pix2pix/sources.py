"""Where the published data sets and checkpoints for paired translation lie."""

from typing import Final

from gancompress.gan import Source

_BERKELEY: Final = "http://efrosgans.eecs.berkeley.edu/pix2pix"
_MIT: Final = "https://huggingface.co/mit-han-lab/gan-compression/resolve/main"
_SIDE_BY_SIDE: Final = "side by side, 256 px a side"
_WEIGHTS: Final = "see https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix"
_COMPRESSED: Final = "see https://github.com/mit-han-lab/gan-compression"
_CITYSCAPES: Final = (
    "register at https://www.cityscapes-dataset.com, fetch gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip, and call `gancompress data prepare cityscapes ROOT OUT "
    "-o layout=pairs`"
)
_STAGES: Final = ("full", "mobile", "distill", "supernet", "finetune", "compressed", "legacy")
# The stages that were published for each task of GAN Compression differ; what is missing is a 404.
_TASKS: Final = {
    "cityscapes": _STAGES,
    "cityscapes_fast": ("supernet", "compressed"),
    "edges2shoes-r": _STAGES,
    "edges2shoes-r_fast": ("supernet", "finetune", "compressed"),
    "map2sat": ("full", "mobile", "distill", "supernet", "finetune", "compressed"),
    "map2sat_fast": ("supernet", "finetune", "compressed"),
}


def published_sources() -> dict[str, Source]:
    """Return the published sets and checkpoints by name.

    Data: Isola et al. (arXiv 1611.07004). Checkpoints: pytorch-CycleGAN-and-pix2pix, and GAN
    Compression (arXiv 2003.08936), whose names begin with ``gan-compression/``.
    """
    found = [*_sets(), *_checkpoints(), *_gan_compression()]
    return {source.name: source for source in found}


def _sets() -> list[Source]:
    described = {
        "facades": (29, f"{_SIDE_BY_SIDE}; train 400, val 100, test 106", "CMP Facades"),
        "maps": (239, "side by side, 600 px a side; train 1,096, val 1,098", "Google Maps"),
        "edges2shoes": (2000, f"{_SIDE_BY_SIDE}; train 49,825, val 200", "UT Zappos50K"),
        "edges2handbags": (8000, f"{_SIDE_BY_SIDE}; train 138,567, val 200", "Amazon, by iGAN"),
        "night2day": (1900, f"{_SIDE_BY_SIDE}", "Transient Attributes"),
    }
    sets = [
        Source(
            name,
            "data",
            f"{_BERKELEY}/datasets/{name}.tar.gz",
            "tar.gz",
            layout,
            f"pictures of {origin}: use and cite them as their owners say",
            megabytes=megabytes,
        )
        for name, (megabytes, layout, origin) in described.items()
    ]
    redistributed = {"edges2shoes-r": "UT Zappos50K", "edges2handbags-r": "Amazon, by iGAN"}
    sets += [
        Source(
            name,
            "data",
            f"{_MIT}/datasets/{name}.tar.gz",
            "tar.gz",
            f"{_SIDE_BY_SIDE}; split anew by GAN Compression, with a larger val",
            f"pictures of {origin}: use and cite them as their owners say",
        )
        for name, origin in redistributed.items()
    ]
    return [
        *sets,
        Source(
            "cityscapes",
            "data",
            "",
            layout=f"{_SIDE_BY_SIDE}; train 2,975, val 500",
            licence="Cityscapes terms: not to be passed on",
            by_hand=_CITYSCAPES,
        ),
    ]


def _checkpoints() -> list[Source]:
    names = ("edges2shoes", "sat2map", "map2sat", "facades_label2photo", "day2night")
    return [
        Source(
            f"{name}-generator",
            "checkpoint",
            f"{_BERKELEY}/models-pytorch/{name}.pth",
            layout="a state dict: U-Net of 256 px, batch norm",
            licence=_WEIGHTS,
        )
        for name in names
    ]


def _gan_compression() -> list[Source]:
    return [
        Source(
            name := f"gan-compression/{task}/{stage}-{net}",
            "checkpoint",
            f"{_MIT}/pretrained/pix2pix/{task}/{stage}/latest_net_{net}.pth",
            layout="a state dict",
            licence=_COMPRESSED,
            place=f"{name}.pth",
        )
        for task, stages in _TASKS.items()
        for stage in stages
        for net in (("G",) if stage in {"compressed", "legacy"} else ("G", "D"))
    ]
