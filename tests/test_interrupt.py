import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from dlgbench.interrupt import as_they_are, end_on_sigterm

signal.signal(signal.SIGTERM, signal.{before})
restore = as_they_are()
end_on_sigterm()
if (child := os.fork()) == 0:
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try:
    os.kill(os.getpid(), signal.SIGTERM)
    print("goes on")
except KeyboardInterrupt:
    print("interrupted")
restore()
print(signal.getsignal(signal.SIGTERM).name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("SIG_DFL", [str(-signal.SIGTERM), "interrupted", "SIG_DFL"]),
        ("SIG_IGN", ["0", "goes on", "SIG_IGN"]),
    ],
)
def test_sigterm_is_ctrl_c_here_alone_and_stays_ignored_where_it_was(before, said):
    command = [sys.executable, "-c", SCRIPT.replace("{before}", before)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == said
    assert not done.stderr
