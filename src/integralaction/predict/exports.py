"""A prediction for people and for programs."""

from typing import Any

from integralaction.clip import Prediction


def as_text(prediction: Prediction) -> str:
    """A prediction for people: the best five classes, the gate, a line for each stream."""
    lines = [prediction.video]
    lines += [f"  {100 * p:5.1f} %  {name}" for name, p in prediction.top()]
    if prediction.gate is not None:
        lines.append(f"  gate {prediction.gate:.2f}  (0 = pose alone, 1 = appearance alone)")
    for stream, (name, p) in prediction.top_of_streams().items():
        lines.append(f"  {stream} alone: {name} ({100 * p:.1f} %)")
    clips = f"{len(prediction.frames)} clip{'s' if len(prediction.frames) > 1 else ''}"
    if prediction.persons.share is None:
        lines.append(f"  {clips}")
    else:
        share = round(100 * prediction.persons.share)
        lines.append(f"  usable pose in {share} % of the frames, none in {100 - share} %; {clips}")
    return "\n".join(lines)


def as_dict(prediction: Prediction) -> dict[str, Any]:
    """A prediction for programs, as JSON holds it."""
    streams = prediction.top_of_streams().items()
    return {
        "video": prediction.video,
        "model": prediction.model,
        "poses": prediction.persons.source,
        "top": [{"class": name, "probability": p} for name, p in prediction.top()],
        "gate": prediction.gate,
        "streams": {stream: {"class": name, "probability": p} for stream, (name, p) in streams},
        "pose_share": prediction.persons.share,
        "clips": len(prediction.frames),
    }
