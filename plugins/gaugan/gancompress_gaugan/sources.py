"""Where the data sets and checkpoints for label maps lie."""

from typing import Final

from gancompress.gan import Source

_MIT: Final = "https://huggingface.co/mit-han-lab/gan-compression/resolve/main"
_COCO: Final = "http://images.cocodataset.org"
_STUFF: Final = "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset"
_COCO_TERMS: Final = "see https://cocodataset.org/#termsofuse"
_CITYSCAPES: Final = (
    "register at https://www.cityscapes-dataset.com, fetch gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip, unpack both into ROOT, and call `gancompress data prepare "
    "cityscapes ROOT OUT`"
)
_SPADE: Final = (
    "fetch checkpoints.tar.gz with a browser from "
    "https://drive.google.com/file/d/12gvlTbMvUcJewQlSEaZdeb2CdOB-b8kQ/view and unpack it"
)
_STAGES: Final = {
    "cityscapes": ("full", "mobile", "distill", "supernet", "finetune", "compressed", "legacy"),
    "cityscapes_fast": ("supernet", "finetune", "compressed"),
    "coco_fast": ("full", "supernet", "finetune", "compressed"),
}


def published_sources() -> dict[str, Source]:
    """Return the published sets and checkpoints by name.

    COCO-Stuff comes in four archives, which ``data prepare coco`` wants in one folder ``coco``.
    """
    found = [*_coco(), *_by_hand(), *_gan_compression()]
    return {source.name: source for source in found}


def _coco() -> list[Source]:
    parts = {
        "train2017": (f"{_COCO}/zips/train2017.zip", 19_300, "118,287 pictures"),
        "val2017": (f"{_COCO}/zips/val2017.zip", 816, "5,000 pictures"),
        "annotations": (
            f"{_COCO}/annotations/annotations_trainval2017.zip",
            253,
            "instances_train2017.json and others",
        ),
        "stuffthingmaps": (
            f"{_STUFF}/stuffthingmaps_trainval2017.zip",
            690,
            "label maps of train2017 and val2017, 0 to 181 and 255",
        ),
    }
    return [
        Source(
            f"coco-{name}",
            "data",
            url,
            "zip",
            layout,
            _COCO_TERMS,
            place=f"coco/{name}",
            megabytes=megabytes,
        )
        for name, (url, megabytes, layout) in parts.items()
    ]


def _by_hand() -> list[Source]:
    return [
        Source(
            "cityscapes",
            "data",
            "",
            layout="gtFine and leftImg8bit; train 2,975, val 500",
            licence="Cityscapes terms: not to be passed on",
            by_hand=_CITYSCAPES,
        ),
        Source(
            "spade",
            "checkpoint",
            "",
            layout="generators of COCO-Stuff, ADE20K and Cityscapes, ngf 64",
            licence="CC BY-NC-SA 4.0",
            by_hand=_SPADE,
        ),
    ]


def _gan_compression() -> list[Source]:
    return [
        Source(
            name := f"gan-compression/{task}/{stage}-{net}",
            "checkpoint",
            f"{_MIT}/pretrained/gaugan/{task}/{stage}/latest_net_{net}.pth",
            layout="a state dict",
            licence="see https://github.com/mit-han-lab/gan-compression",
            place=f"{name}.pth",
        )
        for task, stages in _STAGES.items()
        for stage in stages
        for net in (("G",) if stage in {"compressed", "legacy"} else ("G", "D"))
    ]
