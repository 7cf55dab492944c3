"""Trace a generator into a graph, and find out which of its channels can be narrowed."""

from gancompress.graph.analyse import analyse
from gancompress.graph.channels import ChannelGraph, ChannelGroup, Coverage, Member, Share
from gancompress.graph.ignored import IgnoredScope
from gancompress.graph.layout import Channels, Layout, along, channel_ids
from gancompress.graph.rules import OpCall, OpRule, Part, add_part, own_outputs
from gancompress.graph.trace import trace
from gancompress.graph.traced import Specialisation, TracedGenerator

__all__ = [
    "ChannelGraph",
    "ChannelGroup",
    "Channels",
    "Coverage",
    "IgnoredScope",
    "Layout",
    "Member",
    "OpCall",
    "OpRule",
    "Part",
    "Share",
    "Specialisation",
    "TracedGenerator",
    "add_part",
    "along",
    "analyse",
    "channel_ids",
    "own_outputs",
    "trace",
]
