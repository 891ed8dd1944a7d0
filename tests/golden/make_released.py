"""Makes released.npz: outputs of the released code on weights and inputs that anybody can make again, thinned out.

python tests/golden/make_released.py ../shared/reference
"""

import sys
from pathlib import Path

import numpy as np

EVERY = 23  # of a feature's 512 channels
NAMES = ("full", "rgb_only", "nogate")
WHOLE = ("meta", "prob", "gate_mean", "heatmap_sum", "paf_abs_sum")
THINNED = ("feat_appearance", "feat_pose", "feature", "gate")

if __name__ == "__main__":
    kept = {}
    for name in NAMES:
        arrays = np.load(Path(sys.argv[1]) / f"k50_r18_{name}.npz")
        kept |= {f"{name}.{key}": arrays[key] for key in WHOLE if key in arrays}
        kept |= {f"{name}.{key}": arrays[key][:, ::EVERY] for key in THINNED if key in arrays}
    np.savez_compressed(Path(__file__).with_name("released.npz"), **kept)
