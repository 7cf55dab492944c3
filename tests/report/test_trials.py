from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.report import plain_text, trials_table
from gancompress.search import SearchResult, Trial


def test_the_front_is_listed_by_macs_and_the_best_says_so() -> None:
    config = SubnetConfig({"a": 8})
    trials = [
        Trial(0, config, Cost(2_000_000, 2_000_000, 5_000, 64, 1.5), 3.0),
        Trial(1, config, Cost(1_000_000, 1_000_000, 4_000, 64), 4.0),
        Trial(2, config, Cost(1_500_000, 1_500_000, 4_000, 64), 9.0),
    ]
    lines = plain_text(trials_table(SearchResult.of(trials))).splitlines()
    assert lines[0] == "3 subnets, of which no other beats these"
    assert [line.split() for line in lines[3:]] == [
        ["1", "1.00", "M", "4.00", "k", "–", "4.0000"],
        ["0", "2.00", "M", "5.00", "k", "1.50", "3.0000", "best"],
    ]
