"""One thread a process: those that share the tests have the cores between them, as have programs that tests start."""

import os

# Before NumPy is imported, which reads them then.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
