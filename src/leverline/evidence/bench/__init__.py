"""Hot paths as ratios to a plain baseline in the same run."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # baselines run on one thread as we do; Polars reads it on import
