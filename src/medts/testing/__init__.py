"""Contract suites: what an encoder, an objective, a source or a format of any package promises.

Plain functions that raise `AssertionError` in words. A package that adds an encoder and an
objective to medts holds them to the promises of ours with eight lines::

    from medts.testing import check_encoder, check_objective
    from my_package import GruSettings, ByolSettings


    def test_my_encoder():
        check_encoder(GruSettings)  # or a value: GruSettings(dim=16)


    def test_my_objective():
        check_objective(ByolSettings(), GruSettings.tiny())

`ENCODER_CONTRACTS`, `REPORT_CONTRACTS` and `OBJECTIVE_CONTRACTS` hold the single promises by name,
for suites that want one test for each. What an encoder does not promise its settings declare (see
`EncoderSettings`): `reads_signal`, `is_channel_variable`, `longest_window`, `onnx_obstacle`.
`check_encoder(…, exports=False)` leaves out the export, which takes seconds and the extra
``export``. Nothing here needs a test runner.
"""

from medts.testing.data import check_format, check_source
from medts.testing.encoders import ENCODER_CONTRACTS, REPORT_CONTRACTS, check_encoder, contracts_of
from medts.testing.objectives import OBJECTIVE_CONTRACTS, check_objective

__all__ = [
    "ENCODER_CONTRACTS",
    "OBJECTIVE_CONTRACTS",
    "REPORT_CONTRACTS",
    "check_encoder",
    "check_format",
    "check_objective",
    "check_source",
    "contracts_of",
]
