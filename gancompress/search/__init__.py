"""The search for subnets that meet a budget, scored without retraining."""

from gancompress.search.evolution import Evolution
from gancompress.search.result import SearchResult, Trial, pareto_front
from gancompress.search.run import Searchable, search

__all__ = ["Evolution", "SearchResult", "Searchable", "Trial", "pareto_front", "search"]
