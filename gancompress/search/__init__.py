"""The search for subnets that meet a budget, scored without retraining."""

from gancompress.search.evaluator import Evaluator, LocalEvaluator, Searchable
from gancompress.search.evolution import Evolution
from gancompress.search.recipe import ScorerRecipe
from gancompress.search.result import SearchResult, Trial, pareto_front
from gancompress.search.run import search
from gancompress.search.samplers import SamplerName
from gancompress.search.storage import check_address
from gancompress.search.workers import many_workers

__all__ = [
    "Evaluator",
    "Evolution",
    "LocalEvaluator",
    "SamplerName",
    "ScorerRecipe",
    "SearchResult",
    "Searchable",
    "Trial",
    "check_address",
    "many_workers",
    "pareto_front",
    "search",
]
