# The rival: FastAPI, pydantic and onnxruntime, one worker, as a Python team would write it.
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

model_path, port = sys.argv[1], int(sys.argv[2])
names = [f"f{index}" for index in range(20)]
Row = create_model("Row", **{name: (float, ...) for name in names})
Body = create_model("Body", rows=(list[Row], ...))

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model_path, options)
app = FastAPI()


@app.post("/endpoints/churn/predict")
async def predict(body: Body):
    x = np.array([[getattr(row, name) for name in names] for row in body.rows], dtype=np.float32)
    (probabilities,) = session.run(["probability"], {"x": x})
    return {
        "model": "churn",
        "version": 1,
        "predictions": [
            {"probability": float(value), "class": "true" if value >= 0.5 else "false"} for value in probabilities
        ],
    }


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools")
