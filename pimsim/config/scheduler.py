"""How a batch of requests is served, and by how many devices."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pimsim.config.base import Config
from pimsim.config.quantity import Bandwidth, Count, EnergyPerBit, Time


class EstimateConfig(Config):
    """NeuPIMs' estimate of a request's attention, by which requests are spread over channels. Its figures, unless given."""

    gwrite_cycles: Count = 100
    """a copy of a vector to the channel's buffer"""
    tile_cycles: Count = 184
    """a row of all banks, opened and multiplied"""
    undivided_heads: bool = False
    """count the heads of all devices for P V, as the authors' trace generator does"""


class SchedulerConfig(Config):
    """How a batch of requests is served."""

    max_batch: Count = 512
    """requests that run at the same time"""
    sub_batches: Literal["on", "off", "auto"] = "off"
    """interleave two half-batches (NeuPIMs); auto: from sub_batch_from requests on"""
    sub_batch_from: Count = 256
    """the batch from which sub_batches: auto interleaves"""
    assignment: Literal["given", "round-robin", "least-load", "estimate"] = "given"
    """a request's channel: that of the request file (else as estimate), by turns, fewest tokens, least estimated time"""
    admission: Literal["on-demand", "reserve"] = "on-demand"
    """KV space that admits a request: for the tokens it has (others may be preempted later), or for all it will have"""
    prefill_chunk: Count | None = None
    """most prompt tokens that an iteration takes in; none: whole prompts"""
    estimate: EstimateConfig = Field(default_factory=EstimateConfig)
    """for assignment: given and estimate"""


class LinkConfig(Config):
    """A link between two devices."""

    bandwidth: Bandwidth
    """of one direction"""
    latency: Time
    """of a message"""
    energy: EnergyPerBit | None = None
    """of a bit over the link; none: not counted"""


class ParallelConfig(Config):
    """Several devices for one model."""

    tensor: Count | None = None
    """devices that share every layer; none: what the NeuPIMs paper uses for its models, else 1"""
    pipeline: Count | None = None
    """pipeline stages, each a group of such devices; none: likewise"""
    topology: Literal["ring", "direct"] = "ring"
    """links of a tensor-parallel group: to the next device, or to every other"""
    link: LinkConfig | None = None
    """none: communication takes no time, as in the NeuPIMs paper"""
