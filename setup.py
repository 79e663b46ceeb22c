"""setup.cfg holds all but this: the weights lie beside the package in the source tree, and inside it when built."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["landmarks", "landmarks.*"]), "landmarks.weights"])
