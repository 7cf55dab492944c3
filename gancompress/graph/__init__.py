"""Trace a generator into a graph, and find out which of its channels can be narrowed."""

from gancompress.graph.analyse import analyse
from gancompress.graph.channels import ChannelGraph, ChannelGroup, Coverage, Member, Share
from gancompress.graph.layout import Channels, Layout
from gancompress.graph.rules import OpCall, OpRule, Part
from gancompress.graph.trace import trace
from gancompress.graph.traced import Specialisation, TracedGenerator

__all__ = [
    "ChannelGraph",
    "ChannelGroup",
    "Channels",
    "Coverage",
    "Layout",
    "Member",
    "OpCall",
    "OpRule",
    "Part",
    "Share",
    "Specialisation",
    "TracedGenerator",
    "analyse",
    "trace",
]
