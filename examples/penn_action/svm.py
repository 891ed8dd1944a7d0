"""What a stream has to beat: a support vector machine on the joints themselves (needs scikit-learn).

    python examples/penn_action/svm.py runs/penn-data

Of each video 24 frames, evenly spaced, and of each frame the 13 joints, from the mean of all joints of those frames
and in units of their spread; a joint that is not there lies at the mean.
"""

import sys
from pathlib import Path

import cyclopts
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from integralaction.data.index import Index, read_index
from integralaction.data.poses import PoseStore

FRAMES = 24


def features(index: Index, store: PoseStore) -> np.ndarray:
    """(videos, 24 x 13 x 2)."""
    rows = []
    for video in index.videos:
        moments = np.linspace(0, video.frames - 1, FRAMES).round().astype(int)
        joints = store[video.video].at(moments)[:, 0]
        is_there = joints[..., 2] > 0
        places = joints[is_there][:, :2]
        relative = (joints[..., :2] - places.mean(axis=0)) / places.std()
        rows.append(np.where(is_there[..., None], relative, 0).ravel())
    return np.stack(rows)


def svm_accuracy(index: Index, test: str) -> float:
    """Share of the videos of the split `test` that a machine trained on `train` gets right."""
    store = PoseStore.of(index.root)
    train, held_out = index.split("train"), index.split(test)
    machine = make_pipeline(StandardScaler(), SVC(C=10))
    machine.fit(features(train, store), [video.label for video in train.videos])
    right = machine.predict(features(held_out, store)) == [video.label for video in held_out.videos]
    return float(np.mean(right))


def svm(data: Path, /, *, test: str = "test") -> None:
    """Train on the split `train`, test on another.

    Parameters
    ----------
    data
        The data set folder that `integralaction import penn-action` made.
    test
        The split to test on.
    """
    print(f"SVM: {100 * svm_accuracy(read_index(data), test):.1f} % of the videos of {test}")


if __name__ == "__main__":
    try:
        cyclopts.run(svm)
    except (ValueError, OSError) as error:
        sys.exit(f"svm: {error}")
