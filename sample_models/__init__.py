"""Pairs to trace: real upstream networks with realistic weights, one pair a file.

`python -m sample_models.resnet50 DIR` writes the weights, the ONNX files of both
exporters and an input into DIR, and prints the commands that trace them. No trained
weights are downloaded: `calibrate` makes random ones behave like trained ones, and
`photographs` finds real pictures in the packages that are installed anyway.
"""
