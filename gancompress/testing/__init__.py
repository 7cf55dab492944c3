"""What plugin authors test their plugins with: contracts as pytest classes.

::

    from gancompress.testing import FamilyContract, OpRuleContract

    class TestMyGan(FamilyContract):
        family = MyGan()
        options = {"size": 32}      # small ones keep the tests quick

    class TestMyRule(OpRuleContract):
        rule = MyRule()
        generator = NetThatUsesTheOperator()
        example_inputs = (torch.zeros(1, 3, 16, 16),)

Each attribute may also be a pytest fixture. The core tests its own families and rules with these
classes.
"""

from gancompress.testing.family import SPLITS, FamilyContract, Subject
from gancompress.testing.op_rule import OpRuleContract
from gancompress.testing.rule_subject import RuleSubject

__all__ = ["SPLITS", "FamilyContract", "OpRuleContract", "RuleSubject", "Subject"]
