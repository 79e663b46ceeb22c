"""setup.cfg holds all but this: the weights lie beside the package in the source tree, and inside it when built."""

from setuptools import setup
from setuptools.dist import Distribution


class WithWeights(Distribution):
    """Adds to the packages that `find:` finds the one that it cannot."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.packages and "landmarks.weights" not in self.packages:
            self.packages.append("landmarks.weights")


setup(distclass=WithWeights)
