"""A function that `test_scale` runs in worker processes which have loaded torch and OpenCV."""

import cv2
import torch

from workbench.scale import numerics


def threads(item):
    blas = [library["num_threads"] for library in numerics._controller().info()]
    return {torch.get_num_threads(), cv2.getNumThreads(), *blas}
