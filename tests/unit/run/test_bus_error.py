"""How a command ended says whether shared memory was full."""

import pytest

from shipway.run.bus_error import Sign, explain_sign, find_sign

PYTORCH = b"RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory."
TRITON = b"OutOfResources: out of resource: shared memory, Required: 114688, Hardware limit: 101376"


@pytest.mark.parametrize(
    ("code", "bus_errors", "shown", "sign"),
    [
        (135, 0, b"", Sign.COMMAND),
        (1, 1, b"", Sign.PROCESS),
        (134, 2, b"", Sign.PROCESS),
        (1, 0, PYTORCH, Sign.WORDS),
        (0, 3, PYTORCH, None),
        (1, 0, TRITON, None),
        (1, 0, b"", None),
        *((128 + number, 1, PYTORCH, None) for number in (1, 2, 9, 15)),
    ],
)
def test_signs(code, bus_errors, shown, sign):
    assert find_sign(code, bus_errors, shown) is sign


def test_the_sentence_names_cause_and_remedy():
    text = explain_sign(Sign.PROCESS, 64 << 20)
    for words in ("SIGBUS", "`/dev/shm` holds 64.0 MiB here", "`--shm-size 8g`", "`num_workers=0`"):
        assert words in text
    assert "df -h /dev/shm" in explain_sign(Sign.WORDS, None)
    assert "--shm-size" not in explain_sign(Sign.WORDS, 1, shared=True)
