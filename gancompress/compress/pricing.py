"""What subnets may cost, and what they do."""

from dataclasses import replace

from gancompress.compress.prepare import Project
from gancompress.compress.timing import SubnetTimer
from gancompress.cost import QUANTITIES, Budget, Cost, measure_cost
from gancompress.elastic import SubnetConfig
from gancompress.search.candidates import Candidates


def teacher_cost(project: Project) -> Cost:
    """Measure what the teacher costs on one picture.

    Args:
        project: Gives the teacher.
    """
    return measure_cost(project.teacher.module, project.teacher.example_inputs)


def subnet_cost(project: Project, config: SubnetConfig) -> Cost:
    """Measure what a subnet costs on one picture, but for its latency.

    Args:
        project: Gives the supernet.
        config: The subnet.
    """
    return measure_cost(project.supernet.materialise(config), project.teacher.example_inputs)


def search_budget(project: Project, timer: SubnetTimer | None = None) -> Budget:
    """Return the limits of a search in numbers.

    Args:
        project: Gives the settings and the teacher.
        timer: Knows the teacher's latency; None leaves the limit of the latency out.
    """
    settings = project.config.search
    budget = Budget(**{name: getattr(settings, name) for name in QUANTITIES})
    cost = teacher_cost(project)
    if timer is None:
        return budget.untimed.resolve(cost)
    return budget.resolve(replace(cost, latency_ms=timer.teacher_ms))


def candidates(project: Project) -> Candidates:
    """Return the subnets that a search may look at, with the budget that they have to meet.

    Args:
        project: Gives the supernet, the teacher and the settings.
    """
    supernet = project.supernet
    timer = SubnetTimer(project) if project.config.search.latency_ms is not None else None
    return Candidates(
        supernet.space.choices,
        search_budget(project, timer),
        lambda config: subnet_cost(project, config),
        None if timer is None else lambda config: timer(supernet.materialise(config).eval()),
    )
