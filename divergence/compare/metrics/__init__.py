"""One metric a file: a function of two arrays and nothing else.

A new one is a file beside the others, its line in `METRICS`, and its field in `records.Metrics`.
"""

from divergence.compare.metrics.cosine import COSINE
from divergence.compare.metrics.max_abs import MAX_ABS
from divergence.compare.metrics.max_rel import MAX_REL
from divergence.compare.metrics.max_ulp import MAX_ULP
from divergence.compare.metrics.mean_abs import MEAN_ABS
from divergence.compare.metrics.metric import Metric
from divergence.compare.metrics.rmse import RMSE
from divergence.compare.metrics.sqnr_db import SQNR_DB

METRICS: tuple[Metric, ...] = (MAX_ABS, MEAN_ABS, RMSE, MAX_REL, COSINE, SQNR_DB, MAX_ULP)

__all__ = ["METRICS", "Metric"]
