"""Where the published data sets and checkpoints for unpaired translation lie."""

from typing import Final

from gancompress.gan import Source

_BERKELEY: Final = "http://efrosgans.eecs.berkeley.edu/cyclegan"
_MIT: Final = "https://huggingface.co/mit-han-lab/gan-compression/resolve/main"
_WEIGHTS: Final = "see https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix"
_COMPRESSED: Final = "see https://github.com/mit-han-lab/gan-compression"
_NETS: Final = (
    *("apple2orange", "orange2apple", "summer2winter_yosemite", "winter2summer_yosemite"),
    *("horse2zebra", "zebra2horse", "monet2photo", "style_monet", "style_cezanne"),
    *("style_ukiyoe", "style_vangogh", "sat2map", "map2sat", "cityscapes_photo2label"),
    *("cityscapes_label2photo", "facades_photo2label", "facades_label2photo"),
    "iphone2dslr_flower",
)
_STAGES: Final = {
    "horse2zebra": ("full", "mobile", "distill", "supernet", "compressed", "legacy"),
    "horse2zebra_fast": ("supernet", "compressed"),
}


def published_sources() -> dict[str, Source]:
    """Return the published sets and checkpoints by name.

    Data and teachers: Zhu et al. (arXiv 1703.10593). Names that begin with ``gan-compression/``
    are the checkpoints of GAN Compression (arXiv 2003.08936).
    """
    found = [*_sets(), *_checkpoints(), *_gan_compression()]
    return {source.name: source for source in found}


def _sets() -> list[Source]:
    origins = {
        "horse2zebra": (111, "ImageNet"),
        "apple2orange": (75, "ImageNet"),
        "summer2winter_yosemite": (126, "Flickr"),
        "monet2photo": (291, "WikiArt and Flickr"),
        "cezanne2photo": (267, "WikiArt and Flickr"),
        "ukiyoe2photo": (279, "WikiArt and Flickr"),
        "vangogh2photo": (292, "WikiArt and Flickr"),
        "maps": (1400, "Google Maps"),
        "facades": (34, "CMP Facades"),
        "iphone2dslr_flower": (324, "Flickr"),
        "ae_photos": (10, "Flickr"),
    }
    sets = [
        Source(
            name,
            "data",
            f"{_BERKELEY}/datasets/{name}.zip",
            "zip",
            "only testA and testB" if name == "ae_photos" else "trainA, trainB, testA, testB",
            f"pictures of {origin}: use and cite them as their owners say",
            megabytes=megabytes,
        )
        for name, (megabytes, origin) in origins.items()
    ]
    by_hand = (
        "register at https://www.cityscapes-dataset.com; its pairs can be made with the "
        "family gaugan: `gancompress data prepare cityscapes ROOT OUT -o layout=pairs`"
    )
    return [
        *sets,
        Source(
            "cityscapes",
            "data",
            "",
            layout="trainA, trainB, testA, testB",
            licence="Cityscapes terms: not to be passed on",
            by_hand=by_hand,
        ),
    ]


def _checkpoints() -> list[Source]:
    return [
        Source(
            f"{name}-generator",
            "checkpoint",
            f"{_BERKELEY}/pretrained_models/{name}.pth",
            layout="a state dict: ResNet of 9 blocks, ngf 64, instance norm",
            licence=_WEIGHTS,
        )
        for name in _NETS
    ]


def _gan_compression() -> list[Source]:
    return [
        Source(
            name := f"gan-compression/{task}/{stage}-{net}",
            "checkpoint",
            f"{_MIT}/pretrained/cycle_gan/{task}/{stage}/latest_net_{net}.pth",
            layout="a state dict",
            licence=_COMPRESSED,
            place=f"{name}.pth",
        )
        for task, stages in _STAGES.items()
        for stage in stages
        for net in _nets(stage)
    ]


def _nets(stage: str) -> tuple[str, ...]:
    """The teachers of a cycle have two nets of each kind."""
    if stage in {"full", "mobile"}:
        return ("G_A", "G_B", "D_A", "D_B")
    return ("G",) if stage in {"compressed", "legacy"} else ("G", "D")
