"""What one would build in an afternoon: FastAPI and PyTorch, the same network in FP32, photograph in, label out.

It keeps nothing, refuses nothing and says no advice. Runs in an environment of its own; `scripts/bench answer` starts
it.
"""

import io
import json
import sys

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
from shipped_net import shipped_net

SIZE, CLASSES, PORT = (int(word) for word in sys.argv[1:4])
torch.set_num_threads(1)
net = shipped_net(CLASSES)
app = FastAPI()


@app.post("/predict")
def predict(photo: UploadFile) -> dict[str, float | int]:
    image = Image.open(io.BytesIO(photo.file.read())).convert("RGB").resize((SIZE, SIZE))
    view = torch.from_numpy(np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)
    with torch.inference_mode():
        shares = net(view)[0].softmax(1)[0]
    return {"label": int(shares.argmax()), "share": float(shares.max())}


if __name__ == "__main__":
    print(json.dumps({"port": PORT}), flush=True)
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
